// SPDX-License-Identifier: MIT
// What the plan decides when the owner's own memory is above its limit.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings watching(int min, int max, bool shrink) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1h,
          .ready_timeout = 5s,
          .owner_memory = owner_memory_settings{.limit = 1'000, .check_every = 5s, .shrink = shrink},
          .can_kill = true};
}

lines see(story& s, std::size_t bytes) { return s.tell(happened::owner_looked_at{bytes}); }

TEST(plan_memory, it_is_looked_at_from_the_start_on_and_once_each_time) {
  story s(watching(1, 1, false));
  EXPECT_EQ(s.start(), (lines{"start 0.1", "look at owner"}));
  s.ready(0);
  EXPECT_EQ(see(s, 10), lines{});
  EXPECT_EQ(s.pass(4s), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"5000 look at owner"}));
  EXPECT_FALSE(s.has_timer()) << "the next look is planned when this one is answered";
  see(s, 10);
  EXPECT_EQ(s.pass(5s), (lines{"10000 look at owner"}));
}

TEST(plan_memory, a_crossing_is_told_once_in_each_direction) {
  story s(watching(1, 1, false));
  s.serving(1);
  EXPECT_EQ(see(s, 1'000), lines{}) << "at the limit is not above it";
  EXPECT_EQ(see(s, 1'001), (lines{"press at 1001"}));
  EXPECT_EQ(see(s, 5'000), lines{});
  EXPECT_EQ(see(s, 900), (lines{"ease at 900"}));
  EXPECT_EQ(see(s, 900), lines{});
  EXPECT_EQ(see(s, 2'000), (lines{"press at 2000"}));
}

// Four workers of one to four, all ready.
void grown(story& s) {
  s.serving(1);
  s.tell(happened::backlog{3});
  for (std::uint32_t slot = 1; slot < 4; ++slot) s.ready(slot);
}

TEST(plan_memory, above_it_idle_workers_beyond_min_go_and_none_is_added) {
  story s(watching(1, 4, true));
  grown(s);
  EXPECT_EQ(see(s, 2'000), (lines{"press at 2000", "survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{{{{1, 1}, story::begin}, {{2, 1}, story::begin}}}),
            (lines{"retire 1.1", "retire 2.1", "say scaled"}));
  s.ended(1, 1, true);
  s.ended(2, 1, true);
  EXPECT_EQ(s.tell(happened::backlog{10}), lines{});
  EXPECT_FALSE(s.decides.may_grow());
  EXPECT_EQ(see(s, 2'000), (lines{"survey"})) << "for the one that was busy";
  EXPECT_EQ(s.tell(happened::surveyed{{{{0, 1}, story::begin}, {{3, 1}, story::begin}}}),
            (lines{"retire 0.1", "say scaled"}))
      << "one stays";
  EXPECT_EQ(see(s, 2'000), lines{});
}

TEST(plan_memory, below_it_again_workers_are_added_as_before) {
  story s(watching(1, 4, true));
  s.serving(1);
  see(s, 2'000);
  EXPECT_EQ(s.tell(happened::backlog{2}), lines{});
  EXPECT_EQ(see(s, 10), (lines{"ease at 10"}));
  EXPECT_TRUE(s.decides.may_grow());
  EXPECT_EQ(s.tell(happened::backlog{2}), (lines{"say scaled", "start 1.1", "start 2.1"}));
}

TEST(plan_memory, above_it_a_worker_that_dies_is_replaced_up_to_min) {
  story s(watching(1, 4, true));
  s.serving(1);
  see(s, 2'000);
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_memory, without_the_wish_to_shrink_workers_stay_and_grow) {
  story s(watching(1, 4, false));
  grown(s);
  EXPECT_EQ(see(s, 2'000), (lines{"press at 2000"}));
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"}));
}

TEST(plan_memory, it_is_no_longer_looked_at_once_the_pool_ends) {
  story s(watching(1, 1, true));
  s.serving(1);
  see(s, 10);
  s.tell(happened::stop_asked{story::begin + 1h});
  s.tell(happened::drained{});
  EXPECT_EQ(see(s, 2'000), lines{}) << "an answer that came late";
  s.ended(0, 1, true);
  EXPECT_FALSE(s.has_timer());
}

}  // namespace
}  // namespace muster::engine::test
