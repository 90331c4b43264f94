// SPDX-License-Identifier: MIT
#include "engine/log_desk.hpp"

#include <cstdio>
#include <exception>
#include <utility>

namespace muster::engine {

bool log_desk::put(log_line line) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= most_waiting) {
    dropped_ += line.dropped + 1;
    return false;
  }
  line.dropped += std::exchange(dropped_, 0);
  waiting_.push_back(std::move(line));
  return !std::exchange(is_posted_, true);
}

bool log_desk::hand_over() {
  std::deque<log_line> now;
  {
    const std::lock_guard lock(mutex_);
    now.swap(waiting_);
  }
  for (const log_line& line : now) {
    try {
      sink_(line);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "muster: a log sink threw: %s\n", e.what());
    } catch (...) {
      std::fprintf(stderr, "muster: a log sink threw something that is no std::exception\n");
    }
  }
  const std::lock_guard lock(mutex_);
  is_posted_ = !waiting_.empty();
  return is_posted_;
}

}  // namespace muster::engine
