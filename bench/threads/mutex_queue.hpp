// SPDX-License-Identifier: MIT
//
// The pool that everyone writes by hand: one mutex, one condition variable, one deque of std::function. It is
// the control in the measurements, not a part of muster. Owned by whoever measures; any thread may post.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "threads/packaged.hpp"

namespace bench {

class mutex_queue {
public:
  explicit mutex_queue(unsigned workers) {
    for (unsigned i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  }
  mutex_queue(const mutex_queue&) = delete;
  mutex_queue& operator=(const mutex_queue&) = delete;
  ~mutex_queue() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  template <class F>
  void post(F task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.emplace_back(std::move(task));
      ++unfinished_;
    }
    wake_.notify_one();
  }
  template <class F>
  auto submit(F task) {
    return submit_packaged(*this, std::move(task));
  }
  void drain() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return unfinished_ == 0; });
  }
  void prepare() {}

private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      {
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
      }
      lock.lock();
      if (--unfinished_ == 0) idle_.notify_all();
    }
  }

  // All below are guarded by the mutex, but the threads, which belong to the owner.
  std::mutex mutex_;
  std::condition_variable wake_;  // a task came, or stop
  std::condition_variable idle_;  // nothing is unfinished
  std::deque<std::function<void()>> tasks_;
  std::size_t unfinished_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace bench
