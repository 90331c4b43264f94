// SPDX-License-Identifier: MIT
#pragma once

// The way into a pool: admits tasks up to the queue's capacity, keeps them in lanes, lets submitters wait in
// order for room. One lock guards all of it; it is held for a few dozen nanoseconds at a time. Any thread may
// call.
//
// Most tasks need none of that: they have the normal priority, there is room, all workers are awake. They go
// through the *door*, one atomic word: a chain of tasks, the latest first, and how many more may follow.
// Whoever takes the lock first brings in what came through the door, so under the lock the lanes are all
// there is. The door is shut (nobody may follow) while a task could need more than to be queued: see `hold`.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>

#include <muster/options.hpp>
#include <muster/task.hpp>

#include "engine/lifecycle.hpp"
#include "queue/lanes.hpp"

namespace muster::engine {

using detail::task;

enum class admission : std::uint8_t { admitted, full, timed_out, closed };

// Why the door is shut, one bit each.
enum class hold : std::uint8_t {
  closed = 1,            // the pool has not started, or stops
  waiters = 2,           // somebody waits for room and comes first
  priorities = 4,        // tasks of other priorities have come: one of them may have to be overtaken
  crew = 8,              // the crew wants to hear of each task: somebody sleeps, or is chosen for it
  growth = 16,           // the plan wants to hear when no worker is free
  waiting_workers = 32,  // workers wait for a callback, and may be the only ones to run it
  memory = 64,           // the owner has too much of it, and new tasks are refused
};

class intake {
public:
  explicit intake(const queue_options& options);

  // Takes the lock, and brings in what came through the door.
  [[nodiscard]] std::unique_lock<std::mutex> lock();
  void lock(std::unique_lock<std::mutex>& again);

  // Without the lock: queues t when the door is open. After true it is no longer the caller's.
  bool pass(task& t);
  // Without the lock: something seems to wait. For those who look for a while before they sleep.
  [[nodiscard]] bool hint() const {
    return hint_.load(std::memory_order_relaxed) ||
           chain_of(door_.load(std::memory_order_relaxed)) != nullptr;
  }

  // The functions below need the lock.

  // Shuts the door for this reason, or no longer for it. What had come through it is in the lanes then.
  void set(hold why, bool on);
  [[nodiscard]] bool is_set(hold why) const { return (held_ & static_cast<std::uint8_t>(why)) != 0; }
  // What came through the door since. For those who let go of the lock by sleeping.
  void bring_in();

  // Gets a place, which `push` uses; waits for it where the options say so, which releases the lock
  // meanwhile. `may_wait` false: full at once.
  admission admit(std::unique_lock<std::mutex>& lock, bool may_wait);
  // After admission, under the same lock.
  void push(task& t);
  // Gives it a number, larger than those of all that were submitted before. Without the lock.
  void number(task& t) {
    if (t.id == 0) t.id = numbers_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  // It was admitted, but not to be queued: its submitter runs it.
  void count() { ++admitted_; }
  // A task that comes back, queued again: before its equals, and never refused.
  void put_back(task& t);
  // The next task, or null. It is the caller's, and placed from now on, so that nobody else removes it.
  task* take() {
    task* t = lanes_.pop();
    if (t != nullptr) move(*t, task_event::place);
    if (lanes_.empty()) hint_.store(false, std::memory_order_relaxed);
    if (!waiting_.empty()) let_in();
    return t;
  }
  // The same for this one. False: it is not in here.
  bool remove(task& t) {
    if (t.state.load(std::memory_order_relaxed) != detail::task_state::queued) return false;
    lanes_.remove(t);
    move(t, task_event::place);
    if (!waiting_.empty()) let_in();
    return true;
  }
  void open();
  // From here on nobody is admitted, until it is opened again; who waits is turned away.
  void close();

  template <class F>
  void for_each(F f) const {
    lanes_.for_each(f);
  }

  // The highest priority that waits.
  [[nodiscard]] std::optional<int> top_priority() const { return lanes_.top_priority(); }
  [[nodiscard]] std::size_t size() const { return lanes_.size(); }
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // How many tasks ever were.
  [[nodiscard]] std::uint64_t admitted() const { return admitted_; }

private:
  struct waiter {
    std::condition_variable wake;
    bool let_in = false;
  };
  // The door's word: places in the upper bits, an address in the lower.
  static constexpr int address_bits = 48;
  static constexpr std::uint64_t most_places = 0xffff;
  static task* chain_of(std::uint64_t door) {
    return reinterpret_cast<task*>(
        static_cast<std::uintptr_t>(door & ((std::uint64_t{1} << address_bits) - 1)));
  }
  // How many more the capacity allows when `more` are on their way in.
  [[nodiscard]] std::size_t room(std::size_t more = 0) const {
    if (!options_.capacity) return most_places;
    const std::size_t taken = lanes_.size() + reserved_ + more;
    return taken < *options_.capacity ? *options_.capacity - taken : 0;
  }
  bool reserve();
  void let_in();
  void queue(task& t);

  const queue_options options_;
  // Pushed to by submitters (acq_rel, which the plan's look for a backlog relies on); taken whole, and given
  // its places, with the lock (acq_rel).
  alignas(64) std::atomic<std::uint64_t> door_{0};
  std::atomic<std::uint64_t> numbers_{0};  // relaxed: only its own order counts
  std::atomic<bool> hint_{false};          // written with the lock (relaxed): it decides nothing
  alignas(64) std::mutex mutex_;
  // All below: guarded by mutex_.
  std::uint64_t places_ = 0;  // that the door had when its chain was last taken
  std::uint8_t held_ = static_cast<std::uint8_t>(hold::closed) | static_cast<std::uint8_t>(hold::crew);
  queue::lanes lanes_;
  std::list<waiter*> waiting_;  // in order of arrival
  std::size_t reserved_ = 0;    // places of those who were admitted and have not pushed
  std::size_t peak_ = 0;
  std::uint64_t admitted_ = 0;
  bool closed_ = false;
  std::uint64_t times_closed_ = 0;
};

}  // namespace muster::engine
