// SPDX-License-Identifier: MIT
#pragma once

// Counts times in buckets whose width grows with the time: exact below 32 ns, and within 1/32 of it (about 3
// %) up to the longest time there is. 15 KiB, however many are counted. Any thread may record and look; what
// is looked at meanwhile may lag behind by what is being recorded.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <muster/stats.hpp>

namespace muster::policy {

// Buckets: the first `per_octave` hold one value each; each octave after them (the values with the same
// highest bit) is cut into as many equal parts.
struct buckets {
  static constexpr unsigned octave_bits = 5;
  static constexpr std::uint64_t per_octave = std::uint64_t{1} << octave_bits;
  static constexpr std::size_t count = (64 - octave_bits + 1) * per_octave;

  static constexpr std::size_t of(std::uint64_t value) {
    if (value < per_octave) return static_cast<std::size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - octave_bits;
    return static_cast<std::size_t>((shift + 1) * per_octave + ((value >> shift) - per_octave));
  }
  // The largest value in this bucket.
  static constexpr std::uint64_t last(std::size_t bucket) {
    if (bucket < per_octave) return bucket;
    const std::uint64_t shift = bucket / per_octave - 1;
    return ((bucket % per_octave + per_octave + 1) << shift) - 1;
  }
};

class time_histogram {
public:
  using duration = std::chrono::nanoseconds;

  void record(duration time) {
    const auto value = static_cast<std::uint64_t>(std::max<duration::rep>(time.count(), 0));
    counts_[buckets::of(value)].fetch_add(1, std::memory_order_relaxed);
    total_.fetch_add(value, std::memory_order_relaxed);
    std::uint64_t most = longest_.load(std::memory_order_relaxed);
    while (value > most && !longest_.compare_exchange_weak(most, value, std::memory_order_relaxed)) {}
  }

  [[nodiscard]] time_summary summary() const {
    std::array<std::uint64_t, buckets::count> seen;
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) all += seen[i] = counts_[i].load(std::memory_order_relaxed);
    time_summary made{.count = static_cast<std::size_t>(all)};
    if (all == 0) return made;
    const std::uint64_t longest = longest_.load(std::memory_order_relaxed);
    // The least time that so many of a thousand do not exceed.
    const auto quantile = [&](std::uint64_t thousandths) {
      const std::uint64_t rank = (all * thousandths + 999) / 1'000;
      std::uint64_t passed = 0;
      for (std::size_t i = 0; i < seen.size(); ++i)
        if ((passed += seen[i]) >= rank) return as_time(std::min(buckets::last(i), longest));
      return as_time(longest);
    };
    made.total = as_time(total_.load(std::memory_order_relaxed));
    made.mean = made.total / static_cast<duration::rep>(all);
    made.p50 = quantile(500);
    made.p90 = quantile(900);
    made.p99 = quantile(990);
    made.max = as_time(longest);
    return made;
  }

private:
  static duration as_time(std::uint64_t value) { return duration(static_cast<duration::rep>(value)); }

  std::array<std::atomic<std::uint64_t>, buckets::count> counts_{};  // all relaxed: each counts for itself
  std::atomic<std::uint64_t> total_{0}, longest_{0};
};

}  // namespace muster::policy
