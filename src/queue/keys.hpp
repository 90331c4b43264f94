// SPDX-License-Identifier: MIT
#pragma once

// Tasks that share a key, and how many of them may go at a time. A task whose key has room *holds* it, from
// before it is queued in the lanes until it is over; one that waits for another attempt still does. Any other
// is *parked* here and goes to the lanes when it may, so nobody stands in front of tasks of other keys.
// Within a key the oldest is first, whatever its priority.
//
// A key with a rate has a bucket: no more of its tasks are let into the lanes than there are tokens, and a
// worker that takes one pays with one. So a start waits for its token here and not in front of others.
//
// All is O(log n). A key is forgotten when nobody has it and its bucket is full again. Pure: time is passed
// in. Not thread-safe: the engine's intake holds the lock.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <muster/options.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"
#include "policy/token_bucket.hpp"
#include "queue/lanes.hpp"

namespace muster::queue {

class keys {
public:
  // Both must outlive this.
  keys(const key_options& each, const std::vector<std::pair<std::string, key_options>>& some);

  // --- a task with a key, on its way

  // A new one. True: it holds its key and goes to the lanes. False: it is parked.
  bool enter(task& t, base::time_point now);
  // One that comes for another attempt, and holds its key. The same answer; it is before all others of its
  // key.
  bool enter_again(task& t, base::time_point now);
  // A worker took it out of the lanes: it starts.
  void start(task& t, base::time_point now);
  // It goes back to the lanes, and did not start after all.
  void undo_start(task& t);
  // It left the lanes and will not start, which release follows; or was parked and goes.
  void leave(task& t, base::time_point now);
  // It is over. Nothing happens where it does not hold its key.
  void release(task& t, base::time_point now);

  // --- what follows

  // Those that hold their key since, and go to the lanes; the caller empties it.
  std::vector<task*>& let_in() { return let_in_; }
  // Lets in whose token has come.
  void look(base::time_point now);
  // When to look again.
  [[nodiscard]] base::time_point look_at() const { return due_.empty() ? base::never : due_.begin()->first; }

  // --- those that are parked

  [[nodiscard]] std::size_t parked() const { return parked_.size(); }
  // The oldest of the lowest priority, or null.
  [[nodiscard]] task* least() const { return parked_.empty() ? nullptr : *parked_.begin(); }
  [[nodiscard]] const std::map<int, std::size_t, std::greater<>>& parked_by_priority() const {
    return counts_;
  }
  template <class F>
  void for_each(F f) const {
    for (const task* t : parked_) f(*t);
  }
  // The one task that t, parked, waits for to be over; null: there may be several, or it waits for a token.
  [[nodiscard]] task* ahead_of(const task& t) const;
  // Keys that are known at the moment.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
  struct less_urgent {
    bool operator()(const task* a, const task* b) const {
      return a->priority != b->priority ? a->priority < b->priority : a->id < b->id;
    }
  };
  struct entry {
    const std::string* name = nullptr;
    const key_options* rules = nullptr;
    std::optional<policy::token_bucket> bucket{};
    std::size_t holders = 0;
    task* holder = nullptr;    // the last of these
    std::size_t in_lanes = 0;  // of these; each will need a token
    std::set<task*, older> parked{};
    std::optional<base::time_point> due{};      // in due_
    std::optional<base::time_point> full_at{};  // in unused_
  };

  static std::size_t at_once(const entry& e) { return e.rules->at_once.value_or(1); }
  entry& entry_of(const task& t, base::time_point now);
  [[nodiscard]] bool has_room(entry& e, base::time_point now) const;
  void hold(entry& e, task& t);
  void park(entry& e, task& t);
  void unpark(entry& e, task& t);
  void go_on(entry& e, base::time_point now);
  void set(std::set<std::pair<base::time_point, entry*>>& in, entry& e,
           std::optional<base::time_point> entry::* field, std::optional<base::time_point> at);
  void forget_unused(base::time_point now);

  const key_options& each_;
  std::unordered_map<std::string, const key_options*> rules_;  // of those with their own
  std::unordered_map<std::string, entry> entries_;
  std::set<std::pair<base::time_point, entry*>> due_;     // their oldest waits for a token, which comes then
  std::set<std::pair<base::time_point, entry*>> unused_;  // nobody has them, and their bucket is full then
  std::set<task*, less_urgent> parked_;
  std::map<int, std::size_t, std::greater<>> counts_;  // of these, by priority
  std::vector<task*> let_in_;
};

}  // namespace muster::queue
