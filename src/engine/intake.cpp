// SPDX-License-Identifier: MIT
#include "engine/intake.hpp"

#include <pthread.h>

#include "base/clock.hpp"

namespace muster::engine {

// The lock is held so briefly that looking again beats sleeping: an adaptive mutex spins a little before it
// sleeps.
intake::intake(const queue_options& options) : options_(options) {
  pthread_mutexattr_t spins_first;
  pthread_mutexattr_init(&spins_first);
  pthread_mutexattr_settype(&spins_first, PTHREAD_MUTEX_ADAPTIVE_NP);
  pthread_mutex_init(mutex_.native_handle(), &spins_first);
  pthread_mutexattr_destroy(&spins_first);
}

admission intake::admit(std::unique_lock<std::mutex>& lock, bool may_wait) {
  if (closed_) return admission::closed;
  if (waiting_.empty() && has_room()) return admission::admitted;
  if (!may_wait) return admission::full;

  waiter self;
  const auto place = waiting_.insert(waiting_.end(), &self);
  const auto answered = [&] { return self.let_in || closed_; };
  if (options_.patience) {
    const auto until = base::after(std::chrono::steady_clock::now(), *options_.patience);
    while (!answered() && self.wake.wait_until(lock, until) != std::cv_status::timeout) {}
  } else {
    self.wake.wait(lock, answered);
  }
  if (self.let_in) {
    --reserved_;  // the place is ours: push follows under this lock
    return closed_ ? admission::closed : admission::admitted;
  }
  waiting_.erase(place);
  return closed_ ? admission::closed : admission::timed_out;
}

// Gives free places to those who wait, in order. In a large queue places are given a handful at a time,
// because waking a submitter costs as much as a hundred short tasks.
void intake::let_in() {
  const std::size_t capacity = options_.capacity.value_or(0);
  const std::size_t handful = capacity / 64;
  if (lanes_.size() + reserved_ + handful > capacity) return;
  while (!waiting_.empty() && has_room()) {
    waiter* first = waiting_.front();
    waiting_.pop_front();
    first->let_in = true;
    ++reserved_;
    first->wake.notify_one();
  }
}

void intake::close() {
  closed_ = true;
  for (waiter* w : waiting_) w->wake.notify_one();
}

}  // namespace muster::engine
