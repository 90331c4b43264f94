// SPDX-License-Identifier: MIT
// When calls are let through, in virtual time.
#include <gtest/gtest.h>

#include <vector>

#include "policy/breaker.hpp"

namespace muster::policy {
namespace {

struct breakers : testing::Test {
  using ticket = breaker::ticket;
  void end(call_end how) {
    const auto t = b->enter(now);
    ASSERT_TRUE(t.has_value());
    b->leave(*t, how, now);
  }
  void bad(int times) {
    for (int i = 0; i < times; ++i) end(call_end::bad);
  }
  breaker& with(const breaker_options& o) {
    options = o;
    return b.emplace(options, 1);
  }
  breaker_options options{};
  std::optional<breaker> b{std::in_place, options, 1};
  base::time_point now{1h};
};

// S119
TEST_F(breakers, open_after_five_failures_in_a_row_refuse_for_a_minute_and_close_by_one_success) {
  bad(4);
  EXPECT_EQ(b->state(), breaker_state::closed);
  bad(1);
  EXPECT_EQ(b->state(), breaker_state::open);
  EXPECT_FALSE(b->enter(now));
  now += 59s;
  EXPECT_FALSE(b->enter(now));
  now += 1s;
  const auto probe = b->enter(now);
  ASSERT_TRUE(probe);
  EXPECT_TRUE(probe->probe);
  EXPECT_EQ(b->state(), breaker_state::half_open);
  b->leave(*probe, call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::closed);
  bad(4);
  EXPECT_EQ(b->state(), breaker_state::closed) << "it counts from the beginning again";
  EXPECT_EQ(b->refused(), 2u);
}

TEST_F(breakers, forget_failures_at_a_success_but_not_at_a_call_that_says_nothing) {
  bad(4);
  end(call_end::good);
  bad(4);
  EXPECT_EQ(b->state(), breaker_state::closed);
  end(call_end::unknown);
  bad(1);
  EXPECT_EQ(b->state(), breaker_state::open);
}

// T31
TEST_F(breakers, half_open_admit_exactly_as_many_as_they_say_and_close_when_all_of_them_succeeded) {
  with({.failures = 1, .probes = 3});
  bad(1);
  now += 1min;
  std::vector<ticket> probes;
  while (const auto t = b->enter(now)) probes.push_back(*t);
  ASSERT_EQ(probes.size(), 3u);
  b->leave(probes[0], call_end::good, now);
  EXPECT_FALSE(b->enter(now)) << "its place is used";
  b->leave(probes[1], call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::half_open);
  b->leave(probes[2], call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::closed);
}

TEST_F(breakers, give_the_place_of_a_probe_that_never_ran_to_another) {
  with({.failures = 1});
  bad(1);
  now += 1min;
  const auto dropped = b->enter(now);
  ASSERT_TRUE(dropped);
  EXPECT_FALSE(b->enter(now));
  b->leave(*dropped, call_end::unknown, now);
  EXPECT_TRUE(b->enter(now));
}

TEST_F(breakers, let_others_try_when_a_probe_never_comes_back) {
  with({.failures = 1});
  bad(1);
  now += 1min;
  const auto lost = b->enter(now);
  ASSERT_TRUE(lost);
  now += 59s;
  EXPECT_FALSE(b->enter(now));
  now += 1s;
  const auto next = b->enter(now);
  ASSERT_TRUE(next);
  EXPECT_FALSE(b->enter(now)) << "one at a time still";
  b->leave(*lost, call_end::bad, now);
  EXPECT_EQ(b->state(), breaker_state::half_open) << "it is not asked any more";
  b->leave(*next, call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::closed);
}

TEST_F(breakers, open_again_when_a_probe_fails) {
  with({.failures = 1, .probes = 2});
  bad(1);
  now += 1min;
  const auto first = b->enter(now), second = b->enter(now);
  b->leave(*first, call_end::bad, now);
  EXPECT_EQ(b->state(), breaker_state::open);
  b->leave(*second, call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::open) << "too late to say that all is well";
  EXPECT_EQ(b->opened(), 2u);
  now += 59s;
  EXPECT_FALSE(b->enter(now));
}

TEST_F(breakers, do_not_believe_what_comes_back_from_before_they_opened) {
  with({.failures = 2});
  const auto late = b->enter(now);
  bad(2);
  now += 1min;
  const auto probe = b->enter(now);
  b->leave(*late, call_end::bad, now);
  EXPECT_EQ(b->state(), breaker_state::half_open);
  b->leave(*probe, call_end::good, now);
  EXPECT_EQ(b->state(), breaker_state::closed);
}

TEST_F(breakers, open_by_the_rate_of_failures_once_there_were_enough_calls) {
  with({.failures = std::nullopt, .failure_rate = 0.5, .window = 10s, .least_calls = 10});
  for (int i = 0; i < 4; ++i) {
    end(call_end::good);
    end(call_end::bad);
  }
  EXPECT_EQ(b->state(), breaker_state::closed) << "half of eight calls failed, and ten are needed";
  end(call_end::good);
  end(call_end::bad);
  EXPECT_EQ(b->state(), breaker_state::open);
  EXPECT_EQ(b->why(), "5 of the last 10 calls failed");
}

TEST_F(breakers, count_the_rate_within_the_window_only) {
  with({.failures = std::nullopt, .failure_rate = 0.5, .window = 10s, .least_calls = 10});
  bad(9);
  now += 11s;
  for (int i = 0; i < 9; ++i) end(call_end::good);
  bad(1);
  EXPECT_EQ(b->state(), breaker_state::closed);
  now += 9s;
  bad(7);
  EXPECT_EQ(b->state(), breaker_state::closed) << "8 of 17";
  bad(1);
  EXPECT_EQ(b->state(), breaker_state::open) << "9 of 18";
}

}  // namespace
}  // namespace muster::policy
