// SPDX-License-Identifier: MIT
#pragma once

// Keeps what starts to a rate: a bucket of tokens, kept as the one time at which it would be full again.
// Pure: time is passed in. One thread.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace muster::policy {

class pace {
public:
  // Up to `burst` may start together after a rest. Both above 0.
  pace(double per_second, std::int64_t burst)
      : each_(std::max<base::duration::rep>(1, static_cast<base::duration::rep>(1e9 / per_second))),
        saved_(each_ * (burst - 1)) {}

  // From when on another may start.
  [[nodiscard]] base::time_point next() const { return full_at_ - saved_; }
  void start(base::time_point now) { full_at_ = base::after(std::max(full_at_, now), each_); }

private:
  base::duration each_;   // for one
  base::duration saved_;  // for those that may start before their time
  base::time_point full_at_{};
};

}  // namespace muster::policy
