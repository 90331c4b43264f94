// SPDX-License-Identifier: MIT
#pragma once

// Time comes in through this door, so that tests own it. Monotonic: nothing here knows the time of day.

#include <time.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace muster::base {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point never = time_point::max();

class clock {
public:
  virtual ~clock() = default;
  [[nodiscard]] virtual time_point now() const = 0;
  // What it was some milliseconds ago at most, for less.
  [[nodiscard]] virtual time_point lately() const { return now(); }
};

class steady_clock final : public clock {
public:
  [[nodiscard]] time_point now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] time_point lately() const override {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

// Adds without overflow: a limit far away is no limit.
inline time_point after(time_point from, duration by) { return by >= never - from ? never : from + by; }

// Waits until done() holds. False: `until` came first. A condition variable cannot wait until `never`.
template <class Done>
bool wait_until(std::condition_variable& woken, std::unique_lock<std::mutex>& lock, time_point until,
                Done done) {
  if (until != never) return woken.wait_until(lock, until, done);
  woken.wait(lock, done);
  return true;
}

}  // namespace muster::base
