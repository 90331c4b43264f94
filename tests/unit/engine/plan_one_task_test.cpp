// SPDX-License-Identifier: MIT
// What the plan decides where a worker gets one task and ends after it.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

using use = happened::worker_used::use;

plan_settings one_task(int min, int max) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .one_task = true,
          .can_kill = true};
}

happened::worker_used used(std::uint32_t slot, use how, std::uint32_t generation = 1) {
  return {{slot, generation}, how};
}

TEST(plan_one_task, the_next_worker_starts_when_one_gets_its_task_and_that_one_ends_after_it) {
  story s(one_task(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(used(0, use::given)), (lines{"start 1.1"})) << "ahead, while the task runs";
  EXPECT_EQ(s.ready(1), lines{});
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{}) << "its successor is there";
  EXPECT_EQ(s.tell(used(1, use::given)), (lines{"start 0.2"}));
}

TEST(plan_one_task, at_most_twice_max_are_alive) {
  story s(one_task(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(used(0, use::given)), (lines{"start 2.1"}));
  EXPECT_EQ(s.tell(used(1, use::given)), (lines{"start 3.1"}));
  s.ready(2);
  s.ready(3);
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
  EXPECT_EQ(s.tell(used(2, use::given)), lines{}) << "worker 0 is not gone yet";
  EXPECT_EQ(s.decides.live(), 4);
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_one_task, a_task_that_is_taken_back_leaves_its_worker_fresh) {
  story s(one_task(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(used(0, use::given)), (lines{"start 1.1"}));
  EXPECT_EQ(s.tell(used(0, use::returned)), lines{});
  EXPECT_EQ(s.ready(1), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"})) << "there is one more than wanted";
  EXPECT_EQ(s.tell(happened::surveyed{{{{0, 1}, story::begin}, {{1, 1}, story::begin}}}),
            (lines{"retire 0.1", "say scaled"}));
  s.ended(0);
  EXPECT_EQ(s.tell(used(1, use::given)), (lines{"start 0.2"}));
}

TEST(plan_one_task, a_death_in_its_task_has_its_successor_on_its_way) {
  story s(one_task(1, 1));
  s.serving(1);
  s.tell(used(0, use::given));
  EXPECT_EQ(s.ended(0, 1, true), lines{}) << "no second one is started";
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_EQ(s.ready(1), lines{});
}

TEST(plan_one_task, a_successor_that_does_not_come_up_is_tried_again_after_a_pause) {
  story s(one_task(1, 1));
  s.serving(1);
  s.tell(used(0, use::given));
  EXPECT_EQ(s.ended(1), (lines{"say degraded"}));
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"})) << "what runs is not concerned";
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 1.2"}));
}

TEST(plan_one_task, without_a_minimum_the_last_successor_is_let_go_when_idle) {
  story s(one_task(0, 2));
  s.start();
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled", "start 0.1"}));
  s.ready(0);
  EXPECT_EQ(s.tell(used(0, use::given)), (lines{"start 1.1"}));
  s.ready(1);
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
  s.ended(0, 1, true);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{{{{1, 1}, story::begin}}}), (lines{"retire 1.1", "say scaled"}));
}

TEST(plan_one_task, a_backlog_brings_as_many_as_max_beside_those_that_have_their_task) {
  story s(one_task(1, 3));
  s.serving(1);
  EXPECT_EQ(s.tell(used(0, use::given)), (lines{"start 1.1"}));
  EXPECT_EQ(s.tell(happened::backlog{5}), (lines{"say scaled", "start 2.1", "start 3.1"}));
}

TEST(plan_one_task, by_age_an_idle_one_is_replaced_and_one_that_gets_its_task_meanwhile_is_not) {
  plan_settings aging = one_task(1, 1);
  aging.life = {.age = 1min, .jitter = 0};
  story s(aging);
  s.serving(1);
  EXPECT_EQ(s.pass(1min), (lines{"60000 start 1.1"}));
  EXPECT_EQ(s.tell(used(0, use::given)), lines{}) << "who was to replace it takes its place";
  EXPECT_EQ(s.ready(1), lines{}) << "and it is left alone";
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
}

TEST(plan_one_task, one_that_waits_to_be_replaced_and_gets_its_task_is_passed_over) {
  plan_settings aging = one_task(3, 3);
  aging.life = {.age = 1min, .jitter = 0};
  story s(aging);
  s.serving(3);
  EXPECT_EQ(s.pass(1min), (lines{"60000 start 3.1"})) << "for worker 0; the others wait";
  EXPECT_EQ(s.tell(used(1, use::given)), (lines{"start 4.1"})) << "its successor";
  EXPECT_EQ(s.ready(3), (lines{"say worker_recycled", "retire 0.1"}));
  EXPECT_EQ(s.ended(0), (lines{"start 0.2"})) << "for worker 2";
  EXPECT_EQ(s.ready(0, 2), (lines{"say worker_recycled", "retire 2.1"}));
  EXPECT_EQ(s.ended(2), lines{});
}

TEST(plan_one_task, news_of_the_task_of_an_older_generation_ends_nobody) {
  story s(one_task(1, 1));
  s.serving(1);
  s.ended(0, 1, true);
  s.ready(0, 2);
  EXPECT_EQ(s.tell(used(0, use::done, 1)), lines{});
  EXPECT_EQ(s.tell(used(0, use::given, 1)), lines{});
  EXPECT_EQ(s.tell(used(0, use::given, 2)), (lines{"start 1.1"}));
}

TEST(plan_one_task, when_recycled_by_request_who_has_its_task_ends_by_itself) {
  story s(one_task(1, 1));
  s.serving(1);
  s.tell(used(0, use::given));
  s.ready(1);
  EXPECT_EQ(s.tell(happened::recycle_asked{1}), (lines{"start 2.1"})) << "for worker 1";
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 1.1"}));
  EXPECT_EQ(s.ended(1), lines{});
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
  EXPECT_EQ(s.ended(0, 1, true), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}));
}

TEST(plan_one_task, stopping_ends_successors_and_waits_for_the_task) {
  story s(one_task(1, 1));
  s.serving(1);
  s.tell(used(0, use::given));
  s.ready(1);
  s.tell(happened::stop_asked{story::begin + 1h});
  EXPECT_EQ(s.tell(used(0, use::done)), (lines{"retire 0.1"}));
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 1.1"}));
  s.ended(0, 1, true);
  s.ended(1);
  EXPECT_TRUE(s.decides.finished());
}

}  // namespace
}  // namespace muster::engine::test
