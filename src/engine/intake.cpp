// SPDX-License-Identifier: MIT
#include "engine/intake.hpp"

#include <pthread.h>

#include <algorithm>

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

std::unique_lock<std::mutex> intake::lock() {
  std::unique_lock held(mutex_);
  bring_in();
  return held;
}

void intake::lock(std::unique_lock<std::mutex>& again) {
  again.lock();
  bring_in();
}

bool intake::pass(task& t) {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&t));
  if (t.priority != 0 || (address >> address_bits) != 0) return false;
  std::uint64_t seen = door_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t places = seen >> address_bits;
    if (places == 0) return false;
    number(t);
    t.next = chain_of(seen);
    if (door_.compare_exchange_weak(seen, (places - 1) << address_bits | address, std::memory_order_acq_rel,
                                    std::memory_order_relaxed))
      return true;
  }
}

void intake::bring_in() {
  std::uint64_t seen = door_.load(std::memory_order_acquire);
  std::uint64_t places = 0;
  do {
    const std::uint64_t came = places_ - (seen >> address_bits);
    places = held_ != 0 ? 0 : std::min<std::uint64_t>(room(came), most_places);
    if (chain_of(seen) == nullptr && places == places_) return;
  } while (!door_.compare_exchange_weak(seen, places << address_bits, std::memory_order_acq_rel,
                                        std::memory_order_acquire));
  places_ = places;
  task* oldest = nullptr;  // the chain begins with the latest
  for (task* t = chain_of(seen); t != nullptr;) {
    task* const before = std::exchange(t->next, oldest);
    oldest = std::exchange(t, before);
  }
  while (oldest != nullptr) queue(*std::exchange(oldest, oldest->next));
}

void intake::set(hold why, bool on) {
  const auto bit = static_cast<std::uint8_t>(why);
  held_ = static_cast<std::uint8_t>(on ? held_ | bit : held_ & ~bit);
  bring_in();
}

void intake::queue(task& t) {
  lanes_.push_back(t);
  ++admitted_;
  if (lanes_.size() > peak_) peak_ = lanes_.size();
  hint_.store(true, std::memory_order_relaxed);
}

void intake::push(task& t) {
  if (options_.capacity) --reserved_;
  queue(t);
  if (t.priority != 0 && !is_set(hold::priorities)) set(hold::priorities, true);
}

void intake::put_back(task& t) {
  lanes_.push_front(t);
  if (options_.capacity && places_ != 0) bring_in();  // a place fewer
}

admission intake::admit(std::unique_lock<std::mutex>& lock, bool may_wait) {
  if (closed_) return admission::closed;
  if (waiting_.empty() && reserve()) return admission::admitted;
  if (!may_wait) return admission::full;

  waiter self;
  const auto place = waiting_.insert(waiting_.end(), &self);
  set(hold::waiters, true);
  const auto until =
      options_.patience ? base::after(std::chrono::steady_clock::now(), *options_.patience) : base::never;
  const std::uint64_t opened = times_closed_;  // it may be closed and open again when we look
  const auto turned_away = [&] { return times_closed_ != opened; };
  base::wait_until(self.wake, lock, until, [&] { return self.let_in || turned_away(); });
  if (!self.let_in) waiting_.erase(place);
  if (self.let_in && turned_away()) --reserved_;
  set(hold::waiters, !waiting_.empty());
  if (turned_away()) return admission::closed;
  return self.let_in ? admission::admitted : admission::timed_out;
}

// Takes a place away from the door, unless the last one just went through it.
bool intake::reserve() {
  if (!options_.capacity) return true;
  ++reserved_;
  bring_in();
  if (lanes_.size() + reserved_ <= *options_.capacity) return true;
  --reserved_;
  return false;
}

// Gives free places to those who wait, in order. In a large queue places are given a handful at a time,
// because waking a submitter costs as much as a hundred short tasks.
void intake::let_in() {
  const std::size_t capacity = options_.capacity.value_or(0);
  const std::size_t handful = capacity / 64;
  if (lanes_.size() + reserved_ + handful > capacity) return;
  while (!waiting_.empty() && room() > 0) {
    waiter* first = waiting_.front();
    waiting_.pop_front();
    first->let_in = true;
    ++reserved_;
    first->wake.notify_one();
  }
}

void intake::open() {
  closed_ = false;
  set(hold::closed, false);
}

void intake::close() {
  if (!closed_) ++times_closed_;
  closed_ = true;
  set(hold::closed, true);
  for (waiter* w : waiting_) w->wake.notify_one();
}

}  // namespace muster::engine
