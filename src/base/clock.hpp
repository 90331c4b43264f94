// SPDX-License-Identifier: MIT
#pragma once

// Time comes in through this door, so that tests own it. Monotonic: nothing here knows the time of day.

#include <chrono>

namespace muster::base {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point never = time_point::max();

class clock {
public:
  virtual ~clock() = default;
  [[nodiscard]] virtual time_point now() const = 0;
};

class steady_clock final : public clock {
public:
  [[nodiscard]] time_point now() const override { return std::chrono::steady_clock::now(); }
};

// Adds without overflow: a limit far away is no limit.
inline time_point after(time_point from, duration by) { return by >= never - from ? never : from + by; }

}  // namespace muster::base
