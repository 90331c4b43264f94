// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>

namespace muster::worker {

// A lock between the threads of a worker that run calls. Where there is only one it costs a look at a flag.
class runners_lock {
public:
  explicit runners_lock(bool are_several) : are_several_(are_several) {}
  void lock() {
    if (are_several_) mutex_.lock();
  }
  void unlock() {
    if (are_several_) mutex_.unlock();
  }

private:
  const bool are_several_;
  std::mutex mutex_;
};

}  // namespace muster::worker
