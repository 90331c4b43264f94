// SPDX-License-Identifier: MIT
// What the plan decides about workers that are looked at: whom it doubts, whom it trusts again, whom it
// kills; and about those that leave of their own will.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings looked_at(int workers, int failures = 3) {
  return {.min = workers,
          .max = workers,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .health = {.interval = 3s, .failures = failures},
          .can_kill = true};
}
happened::worker_looked_at unwell(std::uint32_t slot = 0, std::uint32_t generation = 1) {
  return {{slot, generation}, false, "it did not answer"};
}
happened::worker_looked_at well(std::uint32_t slot = 0) { return {{slot, 1}, true}; }
const lines doubted{"doubt 0.1", "say worker_unhealthy"};
const lines trusted{"trust 0.1", "say worker_healthy"};

TEST(plan_health, workers_are_looked_at_at_a_steady_pace_once_one_is_up) {
  story s(looked_at(2));
  s.start();
  EXPECT_EQ(s.pass(1s), lines{});
  s.ready(0);
  s.pass(1s);
  s.ready(1);
  EXPECT_EQ(s.pass(8s), (lines{"4000 look", "7000 look", "10000 look"})) << "both at one time";
}

TEST(plan_health, a_late_look_does_not_move_the_pace_and_missed_ones_are_not_made_up_for) {
  story s(looked_at(1));
  s.serving(1);
  s.now += 4s;  // nobody came at 3 s
  EXPECT_EQ(s.answers(), (lines{"look"}));
  EXPECT_EQ(s.pass(2s), (lines{"6000 look"}));
  s.now += 10s;
  EXPECT_EQ(s.answers(), (lines{"look"}));
}

TEST(plan_health, where_no_worker_is_up_there_is_nothing_to_look_at) {
  story s(looked_at(1));
  s.serving(1);
  s.ended(0, 1, true);
  EXPECT_EQ(s.pass(4s), lines{});
  s.ready(0, 2);
  EXPECT_EQ(s.pass(3s), (lines{"7000 look"}));
}

TEST(plan_health, the_first_failed_look_is_a_doubt_and_the_third_in_a_row_the_end) {
  story s(looked_at(1));
  s.serving(1);
  EXPECT_EQ(s.tell(unwell()), doubted);
  EXPECT_EQ(s.tell(unwell()), lines{});
  EXPECT_EQ(s.tell(unwell()), (lines{"kill 0.1 unresponsive"}));
  EXPECT_EQ(s.tell(unwell()), lines{}) << "once";
  EXPECT_EQ(s.tell(well()), lines{}) << "too late";
  EXPECT_EQ(s.ended(0, 1, false), (lines{"start 0.2"})) << "at once, though it had no task";
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_EQ(s.tell(unwell()), lines{}) << "about an older generation";
}

TEST(plan_health, the_successor_of_one_that_was_killed_for_it_is_looked_at_in_its_turn) {
  story s(looked_at(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(unwell()), (lines{"doubt 0.1", "say worker_unhealthy", "kill 0.1 unresponsive"}));
  s.ended(0);
  s.ready(0, 2);
  EXPECT_EQ(s.tell(unwell(0, 2)), (lines{"doubt 0.2", "say worker_unhealthy", "kill 0.2 unresponsive"}));
}

TEST(plan_health, a_look_that_is_passed_ends_the_doubt_and_the_count) {
  story s(looked_at(1));
  s.serving(1);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(s.tell(unwell()), doubted);
    EXPECT_EQ(s.tell(unwell()), lines{});
    EXPECT_EQ(s.tell(well()), trusted);
    EXPECT_EQ(s.tell(well()), lines{});
  }
}

TEST(plan_health, with_one_failure_allowed_the_first_is_the_end) {
  story s(looked_at(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(unwell()), (lines{"doubt 0.1", "say worker_unhealthy", "kill 0.1 unresponsive"}));
}

TEST(plan_health, each_worker_is_counted_for_itself) {
  story s(looked_at(2));
  s.serving(2);
  s.tell(unwell(0));
  s.tell(unwell(0));
  EXPECT_EQ(s.tell(unwell(1)), (lines{"doubt 1.1", "say worker_unhealthy"}));
  EXPECT_EQ(s.tell(unwell(0)), (lines{"kill 0.1 unresponsive"}));
}

TEST(plan_health, one_that_is_leaving_is_not_doubted_and_killed_all_the_same) {
  story s(looked_at(1));
  s.serving(1);
  s.tell(happened::worker_worn{{0, 1}, recycle_reason::tasks});
  s.ready(1);  // and so 0 is told to go
  EXPECT_EQ(s.tell(unwell()), lines{});
  EXPECT_EQ(s.tell(unwell()), lines{});
  EXPECT_EQ(s.tell(unwell()), (lines{"kill 0.1 unresponsive"}));
}

TEST(plan_health, one_that_was_to_be_replaced_while_it_was_doubted_is_when_it_is_trusted) {
  story s(looked_at(1));
  s.serving(1);
  s.tell(unwell());
  EXPECT_EQ(s.tell(happened::worker_worn{{0, 1}, recycle_reason::tasks}), lines{});
  EXPECT_EQ(s.tell(well()), (lines{"trust 0.1", "say worker_healthy", "start 1.1"}));
  EXPECT_EQ(s.ready(1), (lines{"say worker_recycled", "retire 0.1"}));
}

TEST(plan_health, a_recycle_waits_for_one_that_is_doubted_and_counts_it_when_it_is_killed) {
  story s(looked_at(1));
  s.serving(1);
  s.tell(unwell());
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1}), lines{});
  s.tell(unwell());
  s.tell(unwell());
  EXPECT_EQ(s.ended(0, 1, true),
            (lines{"start 0.2", "recycle 1 over: all done, 1 replaced, 0 leaving, 0 kept"}));
}

TEST(plan_health, one_that_says_it_is_not_well_is_replaced_and_its_own_words_say_why) {
  story s(looked_at(1));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::worker_worn{{0, 1}, recycle_reason::health, false, "the licence is gone"}),
            (lines{"start 1.1"}));
  s.decides.observe(happened::worker_ready{{1, 1}}, s.now);
  const auto said = s.decides.next(s.now);
  ASSERT_TRUE(said && std::holds_alternative<todo::announce>(*said));
  EXPECT_EQ(std::get<todo::announce>(*said).text, "worker 0 is replaced by worker 1: the licence is gone");
}

TEST(plan_health, a_pool_that_ends_looks_at_nobody) {
  story s(looked_at(1));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 1s});
  s.tell(happened::drained{});
  s.ended(0, 1, true);
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_health, without_an_interval_there_is_no_timer) {
  plan_settings settings = looked_at(1);
  settings.health.interval.reset();
  story s(settings);
  s.serving(1);
  EXPECT_FALSE(s.has_timer());
}

// ---------------------------------------------------------------------------------------------------------
// those that leave

TEST(plan_health, one_that_leaves_is_replaced_at_once_and_is_no_failure) {
  story s(looked_at(1));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::worker_leaves{{0, 1}}), (lines{"retire 0.1"}));
  EXPECT_EQ(s.tell(happened::worker_leaves{{0, 1}}), lines{});
  EXPECT_EQ(s.ended(0, 1, false), (lines{"start 0.2"}));
  EXPECT_FALSE(s.decides.degraded());
}

TEST(plan_health, one_that_leaves_while_its_replacement_comes_needs_no_other) {
  story s(looked_at(1));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::worker_worn{{0, 1}, recycle_reason::tasks}), (lines{"start 1.1"}));
  EXPECT_EQ(s.tell(happened::worker_leaves{{0, 1}}), (lines{"retire 0.1"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.ready(1), lines{});
  EXPECT_EQ(s.decides.live(), 1);
}

TEST(plan_health, an_older_generation_that_was_unwell_brings_no_doubt_upon_the_next) {
  story s(looked_at(1));
  s.serving(1);
  s.ended(0, 1, true);
  s.ready(0, 2);
  EXPECT_EQ(s.tell(unwell(0, 1)), lines{});
  EXPECT_EQ(s.tell(unwell(0, 2)), (lines{"doubt 0.2", "say worker_unhealthy"}));
}

}  // namespace
}  // namespace muster::engine::test
