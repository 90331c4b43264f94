// SPDX-License-Identifier: MIT
// Tokens come at their rate: none is lost, and none is won.
#include "policy/token_bucket.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>

namespace muster::policy {
namespace {

using namespace std::chrono_literals;
constexpr base::time_point start{1h};

TEST(token_bucket, gives_its_burst_at_once_and_then_one_at_a_time) {
  token_bucket b({.per_second = 50, .burst = 3});
  EXPECT_EQ(b.tokens(start), 3);
  for (int i = 0; i < 3; ++i) b.take(start);
  EXPECT_EQ(b.tokens(start), 0);
  EXPECT_EQ(b.when(1, start), start + 20ms);
  EXPECT_EQ(b.tokens(start + 20ms - 1ns), 0);
  EXPECT_EQ(b.tokens(start + 20ms), 1);
  EXPECT_EQ(b.tokens(start + 1h), 3) << "no more than the burst is kept";
}

TEST(token_bucket, takes_1980_ms_for_100_starts_at_50_a_second) {
  token_bucket b({.per_second = 50, .burst = 1});
  base::time_point now = start;
  for (int i = 0; i < 100; ++i) {
    now = b.when(1, now);
    ASSERT_GE(b.tokens(now), 1);
    b.take(now);
  }
  EXPECT_EQ(now - start, 1'980ms);
}

TEST(token_bucket, owes_what_was_taken_in_advance) {
  token_bucket b({.per_second = 10, .burst = 1});
  b.take(start);
  b.take(start);
  EXPECT_EQ(b.tokens(start), -1);
  EXPECT_EQ(b.when(1, start), start + 200ms);
  b.give_back();
  EXPECT_EQ(b.when(1, start), start + 100ms);
}

TEST(token_bucket, loses_nothing_however_often_it_is_looked_at) {
  token_bucket often({.per_second = 3, .burst = 1}), seldom({.per_second = 3, .burst = 1});
  often.take(start);
  seldom.take(start);
  for (base::time_point now = start; now < start + 333ms; now += 7us) (void)often.tokens(now);
  EXPECT_EQ(often.when(1, start + 333ms), seldom.when(1, start + 333ms));
  EXPECT_EQ(seldom.when(1, start + 333ms), start + 333'333'334ns);
}

TEST(token_bucket, knows_the_fastest_and_the_slowest_rate) {
  token_bucket fast({.per_second = 1e9, .burst = 1'000'000});
  EXPECT_EQ(fast.tokens(start), 1'000'000);
  for (int i = 0; i < 1'000'000; ++i) fast.take(start);
  EXPECT_EQ(fast.when(1, start), start + 1ns);
  EXPECT_EQ(fast.tokens(start + 1ms), 1'000'000);
  token_bucket slow({.per_second = 0.001, .burst = 1});
  slow.take(start);
  EXPECT_EQ(slow.when(1, start), start + 1'000s);
  EXPECT_EQ(slow.tokens(start + 999s), 0);
  EXPECT_EQ(slow.tokens(start + 24h), 1);
}

TEST(token_bucket, allows_no_more_than_its_rate_and_burst_in_any_second) {
  EXPECT_TRUE(rc::check("per_second + burst in any second, and no token lost", [] {
    const auto per_second = *rc::gen::inRange(1, 2'000);
    const auto burst = *rc::gen::inRange<std::uint32_t>(1, 20);
    const auto pauses = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 200'000));
    token_bucket b({.per_second = static_cast<double>(per_second), .burst = burst});
    std::deque<base::time_point> last_second;
    base::time_point now = start;
    std::int64_t taken = 0;
    for (const int pause : pauses) {
      now += std::chrono::microseconds(pause);
      while (b.tokens(now) > 0) {
        b.take(now);
        ++taken;
        last_second.push_back(now);
      }
      while (!last_second.empty() && now - last_second.front() >= 1s) last_second.pop_front();
      RC_ASSERT(last_second.size() <= static_cast<std::size_t>(per_second) + burst);
      RC_ASSERT(b.when(1, now) - now <= 1'000'000'000ns / per_second + 1ns);
      RC_ASSERT(taken <= static_cast<std::int64_t>(burst) + (now - start) * per_second / 1s);
    }
  }));
}

TEST(token_bucket, that_has_more_than_enough_has_it_now) {
  token_bucket b({.per_second = 1, .burst = 10});
  EXPECT_EQ(b.when(3, start), start);
  b.take(start);
  EXPECT_EQ(b.when(3, start + 500ms), start + 500ms);
  EXPECT_EQ(b.when(10, start + 500ms), start + 1s);
}

}  // namespace
}  // namespace muster::policy
