// SPDX-License-Identifier: MIT
#pragma once

// How long to wait before the next try. Pure.

#include <algorithm>

#include <muster/options.hpp>

#include "base/random.hpp"

namespace muster::policy {

// The pause after the n-th failure in a row (n from 1): first, 2·first, 4·first … at most max; with jitter
// drawn from its upper half or from all of it, so that many who failed together do not come back together.
inline duration pause(const backoff_options& options, int failures, base::random& dice) {
  duration most = options.first;
  most = std::min(most, options.max);
  for (int i = 1; i < failures && most > duration::zero() && most < options.max; ++i)
    most = most > options.max / 2 ? options.max : most * 2;
  if (options.jitter == jitter::none) return most;
  const double drawn = options.jitter == jitter::full ? 1.0 : 0.5;  // the part that chance decides
  return most -
         duration(static_cast<duration::rep>(static_cast<double>(most.count()) * drawn * dice.fraction()));
}

}  // namespace muster::policy
