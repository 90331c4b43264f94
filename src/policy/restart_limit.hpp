// SPDX-License-Identifier: MIT
#pragma once

// How often what dies may be started again within a time. Pure; O(1) a death, memory as large as the limit.

#include <deque>

#include <muster/options.hpp>

#include "base/clock.hpp"

namespace muster::policy {

class restart_limit {
public:
  // It died. False: more often than `limit` times within `window`, so it shall rest.
  bool may_restart(int limit, duration window, base::time_point now) {
    deaths_.push_back(now);
    while (!deaths_.empty() && base::after(deaths_.front(), window) <= now) deaths_.pop_front();
    if (deaths_.size() <= static_cast<std::size_t>(limit)) return true;
    deaths_.pop_front();  // nothing older than the last `limit` can matter any more
    return false;
  }

private:
  std::deque<base::time_point> deaths_;  // within the window, the oldest first
};

}  // namespace muster::policy
