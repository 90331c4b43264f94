// SPDX-License-Identifier: MIT
#pragma once

// How long to wait before the next try. Pure.

#include <algorithm>

#include <muster/options.hpp>

#include "base/random.hpp"

namespace muster::policy {

// The pause after the n-th failure in a row (n from 1): first, 2·first, 4·first … at most max; with jitter
// drawn from its upper half, so that many who failed together do not come back together.
inline duration pause(const backoff_options& options, int failures, base::random& dice) {
  duration full = options.first;
  full = std::min(full, options.max);
  for (int i = 1; i < failures && full > duration::zero() && full < options.max; ++i)
    full = full > options.max / 2 ? options.max : full * 2;
  if (!options.jitter) return full;
  return full -
         duration(static_cast<duration::rep>(static_cast<double>(full.count()) * 0.5 * dice.fraction()));
}

}  // namespace muster::policy
