// SPDX-License-Identifier: MIT
#pragma once

// Chance comes in through this door: a small seeded generator (SplitMix64, Steele, Lea and Flood 2014), so
// that a simulation repeats itself from its seed.

#include <cstdint>

namespace muster::base {

class random {
public:
  explicit random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  // Uniform in [0, bound); bound above 0. The bias of the remainder is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // Uniform in [0, 1).
  double fraction() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

private:
  std::uint64_t state_;
};

}  // namespace muster::base
