// SPDX-License-Identifier: MIT
// When a task that comes now would be done.
#include "policy/forecast.hpp"

#include <gtest/gtest.h>

namespace muster::policy {
namespace {

using namespace std::chrono_literals;

TEST(forecast, says_nothing_before_it_has_seen_enough) {
  forecast f;
  for (std::size_t i = 0; i + 1 < forecast::wanted; ++i) f.ran(1s);
  EXPECT_EQ(f.done_in(1'000, 1), std::nullopt);
  f.ran(1s);
  EXPECT_EQ(f.done_in(3, 1), 4s);
}

TEST(forecast, shares_what_waits_among_the_workers_and_adds_the_tasks_own_run) {
  forecast f;
  for (int i = 0; i < 20; ++i) f.ran(10ms);
  EXPECT_EQ(f.done_in(0, 4), 10ms);
  EXPECT_EQ(f.done_in(3, 4), 10ms);
  EXPECT_EQ(f.done_in(4, 4), 20ms);
  EXPECT_EQ(f.done_in(41, 4), 110ms);
}

TEST(forecast, follows_when_runs_become_shorter_or_longer) {
  forecast f;
  for (int i = 0; i < 20; ++i) f.ran(10ms);
  for (int i = 0; i < 100; ++i) f.ran(1ms);
  EXPECT_LT(f.average(), 2ms);
  for (int i = 0; i < 100; ++i) f.ran(50ms);
  EXPECT_GT(f.average(), 45ms);
}

TEST(forecast, does_not_overflow) {
  forecast f;
  for (int i = 0; i < 20; ++i) f.ran(24h * 365 * 100);
  EXPECT_EQ(f.done_in(1'000'000, 1), base::duration::max());
}

}  // namespace
}  // namespace muster::policy
