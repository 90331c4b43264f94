// SPDX-License-Identifier: MIT
#include "engine/callbacks.hpp"

#include <cstdio>
#include <exception>

namespace muster::engine {

namespace {
thread_local const callbacks* running_here = nullptr;

void run_safely(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "muster: a callback threw: %s\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "muster: a callback threw something that is no std::exception\n");
  }
}
}  // namespace

void callbacks::post(std::function<void()> work) {
  if (given_) return given_([work = std::move(work)] { run_safely(work); });
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([self = shared_from_this()] { self->loop(); });
  wake_.notify_one();
}

bool callbacks::inside() const { return running_here == this; }

bool callbacks::inside_of(const void* owner) {
  return running_here != nullptr && running_here->owner_ == owner;
}

void callbacks::run_one(std::unique_lock<std::mutex>& lock) {
  auto work = std::move(queue_.front());
  queue_.pop_front();
  lock.unlock();
  run_safely(work);
  work = nullptr;  // what it captured goes before the lock is taken
  lock.lock();
}

void callbacks::loop() {
  running_here = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    run_one(lock);
  }
}

void callbacks::run_until(const std::function<bool()>& done) {
  std::unique_lock lock(mutex_);
  while (!done()) {
    wake_.wait(lock, [this] { return !queue_.empty(); });
    run_one(lock);
  }
}

void callbacks::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
  if (inside()) {
    if (thread_.joinable()) thread_.detach();
    return;
  }
  std::thread ending = std::move(thread_);
  lock.unlock();
  if (ending.joinable()) ending.join();
  lock.lock();
  while (!queue_.empty()) run_one(lock);  // posted after the thread had ended
}

}  // namespace muster::engine
