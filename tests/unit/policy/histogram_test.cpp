// SPDX-License-Identifier: MIT
#include "policy/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "kit/pools.hpp"

namespace muster::policy {
namespace {

using namespace std::chrono_literals;

TEST(buckets_of_times, hold_every_value_once_and_in_order) {
  for (std::size_t i = 0; i + 1 < buckets::count; ++i) {
    EXPECT_EQ(buckets::of(buckets::last(i)), i);
    EXPECT_EQ(buckets::of(buckets::last(i) + 1), i + 1);
  }
  EXPECT_EQ(buckets::of(0), 0U);
  EXPECT_EQ(buckets::of(std::numeric_limits<std::uint64_t>::max()), buckets::count - 1);
  EXPECT_EQ(buckets::last(buckets::count - 1), std::numeric_limits<std::uint64_t>::max());
}

TEST(buckets_of_times, are_no_wider_than_a_part_in_32) {
  for (std::size_t i = 1; i < buckets::count; ++i) {
    const std::uint64_t first = buckets::last(i - 1) + 1;
    EXPECT_LE(buckets::last(i) - first, first / 32);
  }
}

TEST(a_histogram_of_times, with_nothing_in_it_says_nothing) {
  const time_summary s = time_histogram().summary();
  EXPECT_EQ(s.count, 0U);
  EXPECT_EQ(s.mean.count() + s.p99.count() + s.max.count(), 0);
}

TEST(a_histogram_of_times, gives_count_total_mean_and_longest_exactly) {
  time_histogram h;
  for (const auto time : {10ms, 20ms, 90ms}) h.record(time);
  h.record(-1ns);  // a clock that went wrong counts as no time
  const time_summary s = h.summary();
  EXPECT_EQ(s.count, 4U);
  EXPECT_EQ(s.total, 120ms);
  EXPECT_EQ(s.mean, 30ms);
  EXPECT_EQ(s.max, 90ms);
}

TEST(a_histogram_of_times, of_one_time_has_it_as_every_quantile) {
  time_histogram h;
  for (int i = 0; i < 1'000; ++i) h.record(100ms);
  const time_summary s = h.summary();
  EXPECT_EQ(s.p50, 100ms);  // the longest bounds them
  EXPECT_EQ(s.p99, 100ms);
}

TEST(a_histogram_of_times, gives_quantiles_within_a_part_in_32_above_the_true_ones) {
  std::mt19937_64 dice(muster::test::seed_of_test());
  for (int round = 0; round < 20; ++round) {
    time_histogram h;
    std::vector<std::int64_t> all;
    std::lognormal_distribution<double> draw(std::uniform_real_distribution<>(2, 18)(dice), 2);
    const std::size_t count = 1 + dice() % 5'000;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(static_cast<std::int64_t>(std::min(draw(dice), 1e15)));
      h.record(std::chrono::nanoseconds(all.back()));
    }
    std::ranges::sort(all);
    const time_summary s = h.summary();
    const auto check = [&](std::size_t thousandths, std::chrono::nanoseconds got) {
      const std::int64_t true_one = all[(count * thousandths + 999) / 1'000 - 1];
      EXPECT_GE(got.count(), true_one);
      EXPECT_LE(got.count(), true_one + true_one / 32 + 1);
    };
    check(500, s.p50);
    check(900, s.p90);
    check(990, s.p99);
    EXPECT_EQ(s.max.count(), all.back());
  }
}

}  // namespace
}  // namespace muster::policy
