// SPDX-License-Identifier: MIT
#pragma once

// The door of a pool: admits tasks up to the queue's capacity, keeps them in lanes, lets submitters wait in
// order for room. One lock guards all of it; it is held for a few dozen nanoseconds at a time. Any thread may
// call.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>

#include <muster/options.hpp>
#include <muster/task.hpp>

#include "queue/lanes.hpp"

namespace muster::engine {

using detail::task;

enum class admission : std::uint8_t { admitted, full, timed_out, closed };

class intake {
public:
  explicit intake(const queue_options& options);

  [[nodiscard]] std::mutex& mutex() { return mutex_; }
  // Without the lock: something seems to wait. For those who look for a while before they sleep.
  [[nodiscard]] bool hint() const { return hint_.load(std::memory_order_relaxed); }

  // The functions below need the lock.

  // Waits for room where the options say so (which releases the lock meanwhile). `may_wait` false: full at
  // once.
  admission admit(std::unique_lock<std::mutex>& lock, bool may_wait);
  // After admission, under the same lock.
  void push(task& t) {
    lanes_.push_back(t);
    if (lanes_.size() > peak_) peak_ = lanes_.size();
    hint_.store(true, std::memory_order_relaxed);
  }
  // A task that comes back: before its equals, and never refused.
  void put_back(task& t) { lanes_.push_front(t); }
  // The next task, or null.
  task* take() {
    task* t = lanes_.pop();
    if (lanes_.empty()) hint_.store(false, std::memory_order_relaxed);
    if (!waiting_.empty()) let_in();
    return t;
  }
  void remove(task& t) {
    lanes_.remove(t);
    if (!waiting_.empty()) let_in();
  }
  // From here on nobody is admitted; who waits is turned away.
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

private:
  struct waiter {
    std::condition_variable wake;
    bool let_in = false;
  };
  [[nodiscard]] bool has_room() const {
    return !options_.capacity || lanes_.size() + reserved_ < *options_.capacity;
  }
  void let_in();

  const queue_options options_;
  std::atomic<bool> hint_{false};  // written with the lock (relaxed): it decides nothing
  std::mutex mutex_;
  // All below: guarded by mutex_.
  queue::lanes lanes_;
  std::list<waiter*> waiting_;  // in order of arrival
  std::size_t reserved_ = 0;    // places given to waiters who have not come for them yet
  std::size_t peak_ = 0;
  bool closed_ = false;
};

}  // namespace muster::engine
