// SPDX-License-Identifier: MIT
// When idle workers run their hook, and when a long queue is worth a warning; in virtual time.
#include "policy/keep_alive.hpp"

#include <gtest/gtest.h>

#include "policy/crossing.hpp"

namespace muster::policy {
namespace {

using namespace std::chrono_literals;
using time_point = keep_alive::time_point;

// How often the hook runs from `now` on for so long, in a worker that has nothing to do.
int runs_while_idle(keep_alive& k, time_point& now, std::chrono::seconds longest) {
  int runs = 0;
  const time_point end = now + longest;
  for (;;) {
    const auto due = k.idle(now);
    if (!due || *due > end) {
      now = end;
      return runs;
    }
    now = *due;
    runs += k.is_due(now) ? 1 : 0;
  }
}

TEST(a_keep_alive, of_thirty_seconds_runs_twice_a_minute_while_idle) {
  keep_alive k(30s);
  time_point now{1h};
  EXPECT_EQ(runs_while_idle(k, now, 60s), 2);
  EXPECT_EQ(runs_while_idle(k, now, 60s), 2);
}

TEST(a_keep_alive, is_not_due_in_a_worker_that_works_every_now_and_then) {
  keep_alive k(30s);
  time_point now{1h};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(runs_while_idle(k, now, 29s), 0);
    k.worked();
  }
}

TEST(a_keep_alive, is_not_put_off_by_waking_up_for_nothing) {
  keep_alive k(30s);
  time_point now{1h};
  const auto due = k.idle(now);
  for (int i = 0; i < 29; ++i) {
    now += 1s;
    EXPECT_EQ(k.idle(now), due);
    EXPECT_FALSE(k.is_due(now));
  }
  EXPECT_TRUE(k.is_due(now + 1s));
}

TEST(a_keep_alive, that_was_missed_is_not_made_up_for) {
  keep_alive k(30s);
  time_point now{1h};
  k.idle(now);
  now += 10min;
  EXPECT_TRUE(k.is_due(now));
  EXPECT_FALSE(k.is_due(now));
  EXPECT_EQ(k.idle(now), now + 30s);
}

TEST(a_keep_alive, that_nobody_wants_is_never_due) {
  keep_alive k;
  EXPECT_EQ(k.idle(time_point{1h}), std::nullopt);
  EXPECT_FALSE(k.is_due(time_point{100h}));
}

TEST(a_crossing, is_told_once_and_again_only_after_half_the_limit) {
  crossing c;
  EXPECT_FALSE(c.rises(10, 10));
  EXPECT_TRUE(c.rises(11, 10));
  EXPECT_FALSE(c.rises(50, 10));
  EXPECT_FALSE(c.rises(6, 10));
  EXPECT_FALSE(c.rises(11, 10));
  EXPECT_FALSE(c.rises(5, 10));
  EXPECT_FALSE(c.is_above());
  EXPECT_TRUE(c.rises(11, 10));
}

}  // namespace
}  // namespace muster::policy
