// SPDX-License-Identifier: MIT
#pragma once

// The way into a pool: admits tasks up to what the queue may hold, keeps them in lanes, lets submitters wait
// in order for room, and holds tasks back by their keys and by a rate of starts. One lock guards all of it;
// it is held for a few dozen nanoseconds at a time. Any thread may call.
//
// Most tasks need none of that: they have the normal priority, there is room, all workers are awake. They go
// through the *door* (engine/door.hpp) without the lock. Whoever takes the lock first brings in what came
// through the door, so under the lock the lanes are all there is. The door is shut (nobody may follow) while
// a task could need more than to be queued: see `hold`.
//
// docs/internals/queue.md says how the parts fit.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"
#include "engine/door.hpp"
#include "engine/lifecycle.hpp"
#include "policy/forecast.hpp"
#include "policy/token_bucket.hpp"
#include "queue/keys.hpp"
#include "queue/lanes.hpp"

namespace muster::engine {

using detail::task;

enum class admission : std::uint8_t { admitted, full, too_large, timed_out, given_up, closed };

// Why the door is shut, one bit each.
enum class hold : std::uint16_t {
  closed = 1,            // the pool has not started, or stops
  waiters = 2,           // somebody waits for room and comes first
  priorities = 4,        // tasks of several priorities wait: one of them may have to be overtaken
  crew = 8,              // the crew wants to hear of each task: somebody sleeps, or is chosen for it
  growth = 16,           // the plan wants to hear when no worker is free
  waiting_workers = 32,  // workers wait for a callback, and may be the only ones to run it
  memory = 64,           // the owner has too much of it, and new tasks are refused
  limits = 128,          // more than the count is to be looked at: bytes, permits, a rate
  paused = 256,          // no task begins
};

class intake {
public:
  explicit intake(const queue_options& options, const base::clock& time = steady);

  // Takes the lock, and brings in what came through the door.
  [[nodiscard]] std::unique_lock<std::mutex> lock();
  void lock(std::unique_lock<std::mutex>& again);
  // For one who takes a task or two: leaves what came through the door there while there are others to take,
  // so that who submits and who takes seldom meet.
  void lock_to_take(std::unique_lock<std::mutex>& again);

  // Without the lock: queues t when the door is open for its priority, that of all that wait. But for `no` it
  // is no longer the caller's. `late`: the priority has just changed, so the crew is to be told, with the
  // lock.
  [[nodiscard]] passage pass(task& t) {
    if (counts_waits_.load(std::memory_order_relaxed)) t.queued_at = queue::lanes::stamp_of(stamp());
    return door_.pass(t);
  }
  // Without the lock: that priority. Sequentially consistent.
  [[nodiscard]] int lets_through() const { return door_.lets_through(); }
  // Without the lock: nobody has to hear of a task that comes now, and the queue is not nearly full.
  // Sequentially consistent, as is what shuts the door.
  [[nodiscard]] bool is_open() const { return door_.has_places_beyond(nearly_full); }
  // Without the lock: something seems to wait. For those who look for a while before they sleep.
  [[nodiscard]] bool hint() const { return hint_.load(std::memory_order_relaxed) || !door_.is_empty(); }
  // For key_options::at_once: no limit.
  static constexpr std::uint32_t any_number = ~std::uint32_t{0};
  // Without the lock: this task waits for its turn among those of its key.
  [[nodiscard]] bool has_turns(const task& t) const { return keys_limit_ && !t.names().key.empty(); }
  // Without the lock: whoever takes a task begins it at once, and takes no other before.
  [[nodiscard]] bool one_at_a_time() const { return one_at_a_time_; }
  [[nodiscard]] bool is_rendezvous() const { return options_.capacity == std::size_t{0}; }

  // The functions below need the lock.

  // Shuts the door for this reason, or no longer for it. What had come through it is in the lanes then.
  void set(hold why, bool on);
  [[nodiscard]] bool is_set(hold why) const { return (held_ & static_cast<std::uint16_t>(why)) != 0; }
  // What came through the door since. For those who let go of the lock by sleeping.
  void bring_in();

  // --- admission

  // One who waits: for room, or for his task to be taken.
  struct waiter {
    std::size_t bytes = 0;
    std::condition_variable wake{};
    bool let_in = false;
    bool given_up = false;  // by himself
    void give_up() {
      given_up = true;
      wake.notify_one();
    }
  };
  // Gets a place for a task of so many bytes, which `push` uses; waits for it where the options say so, which
  // releases the lock meanwhile. `may_wait` false: full at once.
  admission admit(std::unique_lock<std::mutex>& lock, bool may_wait, std::size_t bytes = 0);
  // After full: waits for a place.
  admission wait(std::unique_lock<std::mutex>& lock, waiter& self);
  // A place that was got and is not needed.
  void give_back_place(std::size_t bytes);
  // What a task weighs for queue_options::bytes.
  [[nodiscard]] std::size_t bytes_of(const task& t) const;
  // Takes out what has to make room for a task of this priority; null: that task itself.
  task* drop_for(int priority);

  // Without a place, where capacity is 0: queues t, which `self` waits to be taken; null: nobody does.
  void offer(task& t, waiter* self);
  // Until somebody took it. Else it is out again, as if it had never come.
  admission wait_taken(std::unique_lock<std::mutex>& lock, task& t, waiter& self);

  // After admission, under the same lock.
  void push(task& t);
  // Gives it a number, larger than those of all that were submitted before. Without the lock.
  void number(task& t) { door_.number(t); }
  // So many numbers for tasks that are not queued: those behind the one that it returns.
  std::uint64_t draw_numbers(std::uint64_t count) { return door_.draw_numbers(count); }
  // It was admitted, but not to be queued: its submitter runs it, or nobody does.
  void count() {
    ++admitted_;
    ++unsettled_;
  }
  // A task has settled. Only where there are permits (queue_options::unsettled).
  void settled() {
    --unsettled_;
    if (!waiting_.empty()) let_in();
  }
  // The longest wait that a waiter may have from now on.
  [[nodiscard]] base::time_point patience() const;

  // --- the tasks

  // A task that comes back, queued again: before its equals, and never refused. `began`: for another attempt.
  void put_back(task& t, bool began = false);
  // The next task, or null. It is the caller's, and placed from now on, so that nobody else removes it.
  task* take() {
    if (paused_) return nullptr;
    task* t = limited_ ? take_limited() : lanes_.pop();
    if (t != nullptr) move(*t, task_event::place);
    if (lanes_.empty()) show(false);
    if (!waiting_.empty()) let_in();
    return t;
  }
  // This one, to be run now: where there is no token for it, one is owed. False: it is not in here, or its
  // key is not free for it.
  bool take(task& t);
  // Any task, also one that is held back: not to be run.
  task* take_any();
  // The same for this one. False: it is not in here.
  bool remove(task& t);
  // It is over: its key is free for another.
  void release_key(task& t);
  void open();
  // While paused, none can be taken but by `take_any`, and by name.
  void pause(bool on) {
    paused_ = on;
    set(hold::paused, on);
  }
  [[nodiscard]] bool is_paused() const { return paused_; }
  // From here on nobody is admitted, until it is opened again; who waits is turned away.
  void close();

  // --- what is held back

  // Called with the lock, when `look` has to be called at this time.
  void on_wait(std::function<void(base::time_point)> f) { look_by_ = std::move(f); }
  // Lets go of what was to wait until now.
  void look(base::time_point now);

  // --- queries

  template <class F>
  void for_each(F f) const {
    lanes_.for_each(f);
    if (keys_) keys_->for_each(f);
  }
  // The task that would be taken next, or null.
  [[nodiscard]] const task* next() const { return gated_ || paused_ ? nullptr : lanes_.top(); }
  // Its priority.
  [[nodiscard]] std::optional<int> top_priority() const {
    return gated_ || paused_ ? std::nullopt : lanes_.top_priority();
  }
  // Whom it waits for, where its key is held by another; or null.
  [[nodiscard]] task* ahead_of(const task& t) const {
    return keys_ && has_turns(t) && t.state() == detail::task_state::queued ? keys_->ahead_of(t) : nullptr;
  }
  // Whether a is to go before b.
  [[nodiscard]] bool goes_before(const task& a, const task& b) const {
    return lanes_.place_of(a) < lanes_.place_of(b);
  }
  // Those that can be taken now.
  [[nodiscard]] std::size_t size() const { return gated_ || paused_ ? 0 : lanes_.size(); }
  // All that wait.
  [[nodiscard]] std::size_t waiting() const { return lanes_.size() + (keys_ ? keys_->parked() : 0); }
  // With so many more of the normal priority.
  [[nodiscard]] std::vector<priority_stats> by_priority(std::size_t more = 0) const;
  [[nodiscard]] std::size_t waiting_before(int priority) const;  // of at least this priority
  // The number of the task that would be taken next (0: none), and of the newest there is.
  [[nodiscard]] std::uint64_t next_number() const { return next() != nullptr ? next()->id : 0; }
  [[nodiscard]] std::uint64_t newest_number() const { return door_.newest_number(); }
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // Submitters that wait for room.
  [[nodiscard]] std::size_t in_line() const { return waiting_.size(); }
  // How many tasks ever were.
  [[nodiscard]] std::uint64_t admitted() const { return admitted_; }
  // How long tasks run, for queue_options::refuse_hopeless.
  policy::forecast& runs() { return runs_; }

private:
  using door = basic_door<task>;

  static const base::steady_clock steady;
  static constexpr std::uint64_t nearly_full = 64;
  // How many more the capacity allows when `more` are on their way in.
  [[nodiscard]] std::size_t room(std::size_t more = 0) const {
    if (!options_.capacity) return door::most_places;
    const std::size_t taken = waiting() + reserved_ + more;
    return taken < *options_.capacity ? *options_.capacity - taken : 0;
  }
  [[nodiscard]] bool fits(std::size_t bytes) const;
  bool reserve(std::size_t bytes);
  void let_in();
  void queue(task& t);
  // Before t is among those that wait.
  void mind_the_ranks(const task& t, bool is_new) {
    if (t.priority != door_.lets_through() || is_set(hold::priorities)) change_ranks(t, is_new);
  }
  void change_ranks(const task& t, bool is_new);
  [[nodiscard]] std::int64_t stamp() const {  // the time, for the lanes
    const base::duration since = std::max(time_.lately() - began_, base::duration::zero());
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count() + 1;
  }
  void enter_lanes_late();
  void left(task& t);  // the queue, taken or removed
  void show(bool waits) {
    if (hint_.load(std::memory_order_relaxed) != waits) hint_.store(waits, std::memory_order_relaxed);
  }
  task* take_limited();
  void mind_the_gate();

  const queue_options options_;
  const base::clock& time_;
  const base::time_point began_;  // stamps count from here
  door door_;
  // How long tasks wait counts from the first one on that has another priority than 0. Written with the lock
  // (relaxed): once, for ever.
  std::atomic<bool> counts_waits_{false};
  alignas(64) std::atomic<bool> hint_{false};  // written with the lock (relaxed): it decides nothing
  alignas(64) std::mutex mutex_;
  // All below: guarded by mutex_.
  std::uint16_t held_ = static_cast<std::uint16_t>(hold::closed) | static_cast<std::uint16_t>(hold::crew);
  bool ranks_changed_ = false;  // what has passed the door since is to be brought in
  bool limited_ = false;        // taking a task takes more than that
  bool gated_ = false;          // there is no token
  queue::lanes lanes_;
  std::list<waiter*> waiting_;  // in order of arrival
  std::size_t reserved_ = 0;    // places of those who were admitted and have not pushed
  std::size_t peak_ = 0;
  std::uint64_t admitted_ = 0;
  bool closed_ = false;
  std::uint64_t times_closed_ = 0;

  // Only where they are asked for.
  const bool one_at_a_time_;
  const bool keys_limit_;
  std::optional<queue::keys> keys_;  // from the first task with a key on
  std::optional<policy::token_bucket> rate_;
  std::size_t bytes_ = 0, reserved_bytes_ = 0;
  std::size_t unsettled_ = 0;
  std::unordered_map<const task*, waiter*> offered_;
  std::function<void(base::time_point)> look_by_;
  policy::forecast runs_;
  bool paused_ = false;
};

}  // namespace muster::engine
