// SPDX-License-Identifier: MIT
#pragma once

// How many tasks may start, so that over time there are no more than a rate allows: tokens come at the rate
// and up to `burst` are kept; each start takes one. Pure: time is passed in. Whole numbers only, so that no
// part of a token is ever lost or won, however often and however seldom it is looked at. One thread.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <muster/queue_options.hpp>

#include "base/clock.hpp"

namespace muster::policy {

class token_bucket {
public:
  // Full at first. The options were checked.
  explicit token_bucket(const rate_options& chosen)
      : per_ns_(std::llround(chosen.per_second * 1'000)),
        most_(static_cast<std::int64_t>(chosen.burst) * token),
        credit_(most_) {}

  [[nodiscard]] std::int64_t tokens(base::time_point now) {
    fill(now);
    return credit_ >= 0 ? credit_ / token : -((-credit_ + token - 1) / token);
  }
  // A start. Where there was no token it is owed, and the next one comes later.
  void take(base::time_point now) {
    fill(now);
    credit_ -= token;
  }
  // What was taken has not started after all.
  void give_back() { credit_ = std::min(credit_ + token, most_); }
  // When there will be so many tokens; not before now. At most burst.
  [[nodiscard]] base::time_point when(std::int64_t tokens, base::time_point now) {
    fill(now);
    const std::int64_t missing = tokens * token - credit_;
    if (missing <= 0) return now;
    return base::after(last_, base::duration((missing + per_ns_ - 1) / per_ns_));
  }
  [[nodiscard]] base::time_point full_at(base::time_point now) { return when(most_ / token, now); }

private:
  // One token in the unit of credit_, which grows by per_ns_ each nanosecond: a nanosecond at one thousandth
  // of a token a second.
  static constexpr std::int64_t token = 1'000'000'000'000;

  void fill(base::time_point now) {
    if (now <= last_) return;
    const std::int64_t passed = (now - last_).count();
    last_ = now;
    // Compared before it is multiplied, which could overflow.
    credit_ = passed > (most_ - credit_) / per_ns_ ? most_ : credit_ + passed * per_ns_;
  }

  std::int64_t per_ns_;
  std::int64_t most_;
  std::int64_t credit_;
  base::time_point last_{};
};

}  // namespace muster::policy
