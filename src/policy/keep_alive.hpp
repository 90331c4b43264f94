// SPDX-License-Identifier: MIT
#pragma once

// When an idle worker runs its keep-alive hook: each time it has been idle for another interval. Pure; each
// worker has its own, and asks before it sleeps.

#include <chrono>
#include <optional>

namespace muster::policy {

class keep_alive {
public:
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::steady_clock::time_point;

  // None: never.
  explicit keep_alive(std::optional<duration> every = std::nullopt) : every_(every) {}

  // It has worked, so its idle time begins anew.
  void worked() { due_.reset(); }
  // It has nothing to do now. When to wake up for the hook; none: never.
  std::optional<time_point> idle(time_point now) {
    if (every_ && !due_) due_ = now + *every_;
    return due_;
  }
  // True: the hook is to run now; the next time is an interval later, and what was missed is not made up for.
  bool is_due(time_point now) {
    if (!due_ || now < *due_) return false;
    due_ = now + *every_;
    return true;
  }

private:
  std::optional<duration> every_;
  std::optional<time_point> due_{};
};

}  // namespace muster::policy
