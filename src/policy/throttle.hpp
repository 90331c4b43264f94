// SPDX-License-Identifier: MIT
#pragma once

// Whether tasks may begin, so that over time no more processor time is used than allowed. Pure: a credit of
// processor time that grows with time and shrinks with use. While it is used up, nothing begins; what runs
// may overdraw it, and is waited for. One thread.

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.hpp"

namespace muster::policy {

class throttle {
public:
  // `cpus`: how many processors may be busy, on average. `saved`: for how long the credit of a pool that does
  // nothing grows; then it may begin with a burst of so much.
  throttle(double cpus, base::duration saved)
      : cpus_(cpus), most_(seconds(saved).count() * cpus), credit_(most_) {}

  // `used`: all processor time so far; it never falls.
  void look(base::duration used, base::time_point now) {
    if (last_) {
      const double earned = seconds(now - last_->at).count() * cpus_;
      const double spent = seconds(used - last_->used).count();
      credit_ = std::clamp(credit_ + earned - spent, -longest_wait * cpus_, most_);
    }
    last_ = {now, used};
  }
  [[nodiscard]] bool may_begin() const { return credit_ > 0; }
  // From the last look on, if nothing is used meanwhile.
  [[nodiscard]] base::duration wait() const {
    if (may_begin()) return base::duration::zero();
    return std::chrono::ceil<base::duration>(seconds(-credit_ / cpus_)) + base::duration(1);
  }

private:
  using seconds = std::chrono::duration<double>;
  struct look_at {
    base::time_point at;
    base::duration used;
  };
  // However long a task was, what came after it waits no longer.
  static constexpr double longest_wait = 60;

  double cpus_;
  double most_;    // seconds of processor time
  double credit_;  // the same; below 0: overdrawn
  std::optional<look_at> last_{};
};

}  // namespace muster::policy
