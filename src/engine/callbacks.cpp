// SPDX-License-Identifier: MIT
#include "engine/callbacks.hpp"

#include <pthread.h>

#include <cstdio>
#include <exception>
#include <system_error>

namespace muster::engine {

namespace {
thread_local const callbacks* running_here = nullptr;
thread_local int depth_here = 0;

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
  start_thread();
  wake_.notify_one();
}

// Where none can be had, what is queued waits for the next that is posted, or for the end.
void callbacks::start_thread() try {
  if (thread_.joinable() || stopping_ || leaving_ > 0) return;
  thread_ = std::thread([self = shared_from_this()] { self->loop(); });
} catch (const std::system_error&) {}

bool callbacks::inside() const { return running_here == this; }

bool callbacks::inside_of(const void* owner) {
  return running_here != nullptr && running_here->owner_ == owner;
}

void callbacks::run_one(std::unique_lock<std::mutex>& lock) {
  auto work = std::move(queue_.front());
  queue_.pop_front();
  ++running_;
  lock.unlock();
  run_safely(work);
  work = nullptr;  // what it captured goes before the lock is taken
  lock.lock();
  if (--running_ == 0 && queue_.empty()) rest_.notify_all();
}

void callbacks::loop() {
  running_here = this;
  pthread_setname_np(pthread_self(), (name_.substr(0, 10) + "-then").c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || leaving_ > 0 || !queue_.empty(); });
    if (queue_.empty()) return;
    run_one(lock);
  }
}

int callbacks::depth() { return depth_here; }

bool callbacks::run_until(const std::function<bool()>& done, std::optional<base::time_point> until) {
  std::unique_lock lock(mutex_);
  const auto any = [this] { return !queue_.empty(); };
  ++depth_here;
  while (!done()) {
    if (!base::wait_until(wake_, lock, until.value_or(base::never), any)) break;
    run_one(lock);
  }
  --depth_here;
  return done();
}

bool callbacks::settle(base::time_point until) {
  if (inside()) return false;
  std::unique_lock lock(mutex_);
  if (!queue_.empty()) start_thread();
  while (!thread_.joinable() && leaving_ == 0 && !queue_.empty()) run_one(lock);
  if (!base::wait_until(rest_, lock, until, [this] { return running_ == 0 && queue_.empty(); })) return false;
  ++leaving_;
  wake_.notify_all();
  std::thread ending = std::move(thread_);
  lock.unlock();
  if (ending.joinable()) ending.join();
  lock.lock();
  --leaving_;
  if (!queue_.empty()) start_thread();  // it came while the thread ended
  return true;
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
