// SPDX-License-Identifier: MIT
// What the plan decides about workers: when they start, end, are replaced, added, let go and killed.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

constexpr plan_settings threads(int min, int max) { return {.min = min, .max = max, .idle_timeout = 1s}; }

constexpr plan_settings processes(int min, int max) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .can_kill = true};
}

TEST(plan_workers, starting_brings_up_as_many_as_min) {
  story s(threads(3, 5));
  EXPECT_EQ(s.start(), (lines{"start 0.1", "start 1.1", "start 2.1"}));
  EXPECT_EQ(s.decides.live(), 3);
  EXPECT_EQ(s.start(), lines{}) << "asked twice, it starts once";
}

TEST(plan_workers, nothing_happens_before_start_is_asked) {
  story s(threads(1, 1));
  EXPECT_EQ(s.tell(happened::backlog{4}), lines{});
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, the_pool_is_ready_when_min_workers_are_and_says_so_once) {
  story s(threads(2, 2));
  s.start();
  EXPECT_EQ(s.ready(1), lines{});
  EXPECT_FALSE(s.decides.ready_once());
  EXPECT_EQ(s.ready(0), (lines{"say started"}));
  EXPECT_TRUE(s.decides.ready_once());
  s.ended(0, 1, true);
  EXPECT_EQ(s.ready(0, 2), lines{});
}

TEST(plan_workers, a_pool_without_a_minimum_is_ready_at_once) {
  story s(threads(0, 2));
  EXPECT_EQ(s.start(), (lines{"say started"}));
  EXPECT_TRUE(s.decides.ready_once());
}

TEST(plan_workers, one_that_does_not_come_up_is_tried_again_with_growing_pauses) {
  story s(processes(1, 1));
  s.start();
  EXPECT_EQ(s.ended(0, 1), (lines{"say degraded"}));
  EXPECT_TRUE(s.decides.degraded());
  EXPECT_EQ(s.pass(200ms), (lines{"100 start 0.2"}));
  EXPECT_EQ(s.ended(0, 2), lines{}) << "degraded is announced once";
  EXPECT_EQ(s.pass(300ms), (lines{"400 start 0.3"}));
  EXPECT_EQ(s.ended(0, 3), lines{});
  EXPECT_EQ(s.pass(500ms), (lines{"900 start 0.4"}));
  for (std::uint32_t generation = 4; generation < 9; ++generation) {
    s.ended(0, generation);
    s.pass(1s);
  }
  EXPECT_EQ(s.ended(0, 9), lines{});
  EXPECT_EQ(s.pass(999ms), lines{}) << "the pause is at most restart.max";
  EXPECT_EQ(s.pass(1ms).size(), 1u);
  EXPECT_EQ(s.ready(0, 10), (lines{"say recovered", "say started"}));
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.ended(0, 10), (lines{"say degraded"}));
  EXPECT_EQ(s.pass(100ms).size(), 1u) << "after a recovery the first pause is the first again";
}

TEST(plan_workers, those_that_fail_together_are_one_failure_and_one_of_them_is_tried_alone) {
  story s(processes(4, 4));
  s.start();
  EXPECT_EQ(s.ended(0), (lines{"say degraded"}));
  for (std::uint32_t slot = 1; slot < 4; ++slot) EXPECT_EQ(s.ended(slot), lines{});
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 0.2"}));
  EXPECT_EQ(s.ready(0, 2), (lines{"say recovered", "start 1.2", "start 2.2", "start 3.2"}));
}

TEST(plan_workers, while_one_is_tried_a_backlog_brings_no_others) {
  story s(processes(1, 8));
  s.start();
  s.ended(0);
  s.pass(100ms);
  EXPECT_EQ(s.tell(happened::backlog{100}), (lines{"say scaled"}));
  EXPECT_EQ(s.ready(0, 2).size(), 2u + 7u) << "recovered, started, and the other seven";
}

TEST(plan_workers, one_that_had_tasks_is_replaced_at_once) {
  story s(processes(2, 2));
  s.serving(2);
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"}));
  EXPECT_FALSE(s.decides.degraded());
}

TEST(plan_workers, one_that_dies_idle_counts_as_one_that_could_not_be_started) {
  story s(processes(2, 2));
  s.serving(2);
  EXPECT_EQ(s.ended(1), (lines{"say degraded"}));
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 1.2"}));
}

TEST(plan_workers, one_that_dies_idle_right_after_it_was_ready_is_tried_again_with_growing_pauses) {
  story s(processes(1, 1));
  s.serving(1);
  std::vector<int> pauses;
  for (std::uint32_t generation = 1; generation < 8; ++generation) {
    EXPECT_EQ(s.ended(0, generation), (lines{"say degraded"}));
    const auto died = s.now;
    while (s.pass(1ms).empty()) ASSERT_LT(s.now - died, 5s);
    pauses.push_back(static_cast<int>((s.now - died) / 1ms));
    EXPECT_EQ(s.ready(0, generation + 1), (lines{"say recovered"}));
  }
  EXPECT_EQ(pauses, (std::vector{100, 200, 400, 800, 1000, 1000, 1000})) << "at most restart.max";
  s.pass(1min);  // it lives for long enough: what comes now is another trouble
  s.ended(0, 8);
  EXPECT_EQ(s.pass(100ms).size(), 1u);
}

TEST(plan_workers, the_pause_for_one_that_died_idle_does_not_end_because_another_came_up) {
  story s(processes(2, 2));
  s.start();
  s.ready(0);
  EXPECT_EQ(s.ended(0), (lines{"say degraded"}));
  EXPECT_EQ(s.ready(1), lines{}) << "it was on its way already and proves nothing about the other";
  EXPECT_TRUE(s.decides.degraded());
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 0.2"}));
  EXPECT_EQ(s.ready(0, 2), (lines{"say recovered", "say started"}));
}

TEST(plan_workers, a_pool_that_wants_no_more_workers_does_not_stay_degraded) {
  story s(processes(0, 2));
  s.start();
  s.tell(happened::backlog{2});
  s.ready(0);
  s.ready(1);
  s.pass(990ms);
  EXPECT_EQ(s.ended(1), (lines{"say degraded"}));
  EXPECT_EQ(s.pass(10ms), (lines{"1000 survey"}));
  s.tell(happened::surveyed{{{{0, 1}, story::begin}}});  // nobody is wanted any more
  EXPECT_EQ(s.pass(200ms), (lines{"1090 say recovered"}));
  EXPECT_FALSE(s.decides.degraded());
}

TEST(plan_workers, one_that_is_not_ready_in_time_is_killed_and_tried_again) {
  story s(processes(1, 1));
  s.start();
  EXPECT_EQ(s.pass(6s), (lines{"5000 kill 0.1 not_ready"}));
  EXPECT_EQ(s.ended(0), (lines{"say degraded"}));
  EXPECT_EQ(s.pass(100ms), (lines{"6100 start 0.2"}));
}

TEST(plan_workers, once_ready_it_has_no_timer) {
  story s(processes(1, 1));
  s.start();
  EXPECT_TRUE(s.has_timer());
  s.ready(0);
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, events_about_an_older_generation_are_ignored) {
  story s(processes(1, 1));
  s.serving(1);
  s.ended(0, 1, true);
  EXPECT_EQ(s.ready(0, 1), lines{});
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.decides.live(), 1);
  EXPECT_EQ(s.pass(5s), (lines{"5000 kill 0.2 not_ready"})) << "the older one's news is not the newer one's";
  EXPECT_EQ(s.ended(7, 1), lines{}) << "a slot there never was";
}

// ------------------------------------------------------------------------------------------------ growing

TEST(plan_workers, a_backlog_brings_one_worker_for_each_task_that_waits) {
  story s(threads(1, 8));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::backlog{3}), (lines{"say scaled", "start 1.1", "start 2.1", "start 3.1"}));
}

TEST(plan_workers, there_are_never_more_than_max) {
  story s(threads(1, 3));
  s.serving(1);
  EXPECT_TRUE(s.decides.may_grow());
  EXPECT_EQ(s.tell(happened::backlog{1'000'000}), (lines{"say scaled", "start 1.1", "start 2.1"}));
  EXPECT_FALSE(s.decides.may_grow());
  EXPECT_EQ(s.tell(happened::backlog{1'000'000}), lines{});
}

TEST(plan_workers, the_same_task_does_not_bring_two) {
  story s(threads(1, 8));
  s.serving(1);
  s.tell(happened::backlog{2});
  EXPECT_EQ(s.tell(happened::backlog{2}), lines{}) << "two are on their way for them";
  EXPECT_EQ(s.tell(happened::backlog{3}), (lines{"say scaled", "start 3.1"})) << "one more came";
}

TEST(plan_workers, those_on_their_way_are_no_reason_to_bring_fewer_than_there_is_room_for) {
  story s(threads(2, 4));
  s.start();  // two are on their way
  EXPECT_EQ(s.tell(happened::backlog{3}), (lines{"say scaled", "start 2.1"}));
  EXPECT_EQ(s.tell(happened::backlog{9}), (lines{"say scaled", "start 3.1"}));
}

TEST(plan_workers, a_worker_that_is_leaving_still_counts_against_max) {
  story s(threads(0, 1));
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.pass(1s);
  EXPECT_EQ(s.tell(happened::surveyed{{{{0, 1}, story::begin}}}), (lines{"retire 0.1", "say scaled"}));
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled"}));
  EXPECT_EQ(s.ended(0), (lines{"start 0.2"}));
}

// ------------------------------------------------------------------------------------------------ shrinking

happened::surveyed idle_since(std::vector<std::pair<worker_id, time_point>> workers) {
  happened::surveyed answer;
  for (const auto& [w, since] : workers) answer.idle.push_back({w, since});
  return answer;
}

TEST(plan_workers, idle_ones_above_min_leave_after_the_idle_timeout_longest_idle_first) {
  story s(threads(1, 3));
  s.serving(1);
  s.tell(happened::backlog{2});
  s.ready(1);
  s.ready(2);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  const auto a = story::begin + 100ms, b = story::begin - 1s, c = story::begin;
  EXPECT_EQ(s.tell(idle_since({{{0, 1}, a}, {{1, 1}, b}, {{2, 1}, c}})),
            (lines{"retire 1.1", "retire 2.1", "say scaled"}));
  EXPECT_FALSE(s.has_timer()) << "at min there is nothing to look for";
  EXPECT_EQ(s.ended(1), lines{}) << "one that left is not replaced";
  EXPECT_EQ(s.ended(2), lines{});
  EXPECT_EQ(s.decides.live(), 1);
}

TEST(plan_workers, one_that_is_not_idle_for_long_enough_is_looked_at_again_when_it_could_be) {
  story s(threads(0, 2));
  s.start();
  s.tell(happened::backlog{2});
  s.ready(0);
  s.ready(1);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(idle_since({{{1, 1}, story::begin + 400ms}})), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"1400 survey"}));
  EXPECT_EQ(s.tell(idle_since({})), lines{}) << "all are busy";
  EXPECT_EQ(s.pass(1s), (lines{"3000 survey"})) << "the next look is a whole idle timeout later";
}

TEST(plan_workers, a_fixed_size_needs_no_timer) {
  story s(threads(4, 4));
  s.serving(4);
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, one_retired_before_its_readiness_was_heard_of_may_be_ready_late) {
  story s(processes(0, 1));
  s.start();
  s.tell(happened::backlog{1});
  // The crew saw it idle before its word came here; it is told to end, and may have a task by then.
  s.tell(idle_since({{{0, 1}, story::begin - 2s}}));
  EXPECT_EQ(s.ready(0), lines{});
  EXPECT_EQ(s.pass(6s), (lines{"5000 kill 0.1 stopped unless busy"})) << "and not for being late";
  EXPECT_EQ(s.ended(0), lines{});
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, one_that_was_let_go_and_will_not_end_is_killed_unless_it_has_a_task) {
  story s(processes(0, 1));
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.tell(idle_since({{{0, 1}, story::begin - 2s}}));
  EXPECT_EQ(s.pass(12s), (lines{"5000 kill 0.1 stopped unless busy", "10000 kill 0.1 stopped unless busy"}));
  s.tell(happened::backlog{1});
  EXPECT_EQ(s.ended(0), (lines{"start 0.2"}));
}

// ------------------------------------------------------------------------------------------------ stopping

TEST(plan_workers, stop_drains_then_retires_then_finishes) {
  story s(threads(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::stop_asked{s.now + 10s}), lines{});
  EXPECT_FALSE(s.decides.finished());
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1", "retire 1.1"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_FALSE(s.decides.finished());
  EXPECT_EQ(s.ended(1, 1, true), lines{});
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, another_life_begins_as_the_first_but_counts_generations_on) {
  const plan_settings settings{.min = 2, .max = 2, .grace = 1s, .ready_timeout = 1s, .can_kill = true};
  story s(settings);
  s.serving(2);
  s.ended(1, 1, true);
  s.tell(happened::stop_asked{s.now + 1s, true});
  s.tell(happened::drained{});
  s.ended(0);
  s.ended(1, 2);
  ASSERT_TRUE(s.decides.finished());

  s.decides = plan(settings, s.decides, 7);
  EXPECT_EQ(s.decides.settled(), 7U);
  EXPECT_FALSE(s.decides.ready_once());
  EXPECT_EQ(s.start(), (lines{"start 0.2 as 7", "start 1.3 as 7"}));
  EXPECT_EQ(s.ended(0, 1), lines{}) << "late news of the life before";
  EXPECT_EQ(s.ready(0, 2), lines{});
  EXPECT_EQ(s.ready(1, 3), (lines{"say started"}));
  EXPECT_EQ(s.decides.live(), 2);
}

TEST(plan_workers, a_pool_that_was_never_started_stops_at_once) {
  story s(threads(2, 2));
  s.tell(happened::stop_asked{s.now});
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, a_worker_lost_while_draining_is_replaced) {
  story s(threads(1, 1));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_workers, nobody_is_replaced_once_all_is_drained) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(happened::stop_asked{s.now + 10s});
  s.tell(happened::drained{});
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.ended(1, 1, false), lines{});
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, stopping_brings_a_worker_to_what_is_queued_where_there_is_none) {
  story s(threads(0, 1));
  s.start();
  EXPECT_EQ(s.tell(happened::stop_asked{s.now + 10s}), lines{}) << "nobody knows of anything to do";
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled", "start 0.1"}));
}

TEST(plan_workers, stopping_where_nothing_is_queued_starts_nobody) {
  story s(processes(0, 1));
  s.start();
  EXPECT_EQ(s.tell(happened::stop_asked{s.now + 10s}), lines{});
  EXPECT_EQ(s.tell(happened::drained{}), lines{});
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, idle_ones_do_not_leave_while_the_pool_drains) {
  story s(threads(0, 2));
  s.start();
  s.tell(happened::backlog{2});
  s.ready(0);
  s.ready(1);
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.pass(5s), lines{});
  EXPECT_EQ(s.tell(idle_since({{{0, 1}, story::begin}})), lines{}) << "an answer that crossed with the stop";
}

TEST(plan_workers, at_the_stop_deadline_all_is_cancelled_and_those_who_do_not_end_are_killed_after_grace) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(happened::stop_asked{s.now + 1s});
  EXPECT_EQ(s.pass(1s), (lines{"1000 cancel all", "1000 retire 0.1", "1000 retire 1.1"}));
  s.ended(0, 1, true);
  EXPECT_EQ(s.pass(1s), (lines{"1100 kill 1.1 stopped"}));
  EXPECT_FALSE(s.decides.finished()) << "it is not reaped yet";
  s.ended(1, 1, true);
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, a_second_stop_may_shorten_the_deadline_and_not_lengthen_it) {
  story s(threads(1, 1));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 10s});
  s.tell(happened::stop_asked{s.now + 20s});
  s.tell(happened::stop_asked{s.now + 1s});
  EXPECT_EQ(s.pass(2s), (lines{"1000 cancel all", "1000 retire 0.1"}));
}

TEST(plan_workers, at_once_leaves_no_grace) {
  story s(processes(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}),
            (lines{"cancel all", "retire 0.1", "kill 0.1 stopped"}));
}

TEST(plan_workers, at_once_also_shortens_a_stop_that_is_ending) {
  story s(processes(1, 1));
  s.serving(1);
  s.tell(happened::stop_asked{s.now});
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}), (lines{"kill 0.1 stopped"}));

  story t(threads(1, 1));
  t.serving(1);
  t.tell(happened::stop_asked{t.now});
  EXPECT_FALSE(t.decides.finished());
  t.tell(happened::stop_asked{t.now, true});
  EXPECT_TRUE(t.decides.finished());
}

TEST(plan_workers, threads_that_do_not_end_are_given_up_after_grace) {
  story s(threads(1, 1));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 1s});
  EXPECT_EQ(s.pass(1s), (lines{"1000 cancel all", "1000 retire 0.1"}));
  s.pass(99ms);
  EXPECT_FALSE(s.decides.finished());
  s.pass(1ms);
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, one_that_was_let_go_and_will_not_end_does_not_hold_up_the_stop) {
  story s(processes(1, 2));
  s.serving(1);
  s.tell(happened::backlog{1});
  s.ready(1);
  s.pass(1s);
  s.tell(idle_since({{{1, 1}, story::begin}}));  // retired, and never ends
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1"}));
  EXPECT_EQ(s.pass(1s), (lines{"1100 kill 0.1 stopped", "1100 kill 1.1 stopped"})) << "each after grace";
}

TEST(plan_workers, one_that_becomes_ready_while_it_is_stopping_is_no_news) {
  story s(processes(1, 1));
  s.start();
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1"}));
  EXPECT_EQ(s.ready(0), lines{}) << "a pool that ends does not say that it started";
  EXPECT_FALSE(s.decides.ready_once());
  EXPECT_EQ(s.pass(1s), (lines{"100 kill 0.1 stopped"}));
  s.ended(0);
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_workers, a_degraded_pool_can_stop) {
  story s(processes(1, 1));
  s.start();
  s.ended(0);
  s.tell(happened::stop_asked{s.now + 10ms});
  EXPECT_EQ(s.pass(1h), (lines{"10 cancel all"}));
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, a_stop_without_a_deadline_waits_for_ever) {
  story s(threads(1, 1));
  s.serving(1);
  s.tell(happened::stop_asked{base::never});
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_workers, drained_means_nothing_to_a_pool_that_is_not_stopping) {
  story s(threads(1, 1));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::drained{}), lines{});
}

TEST(plan_workers, that_have_ended_end_only_once) {
  story s({.min = 2, .max = 2, .restart = {.first = 1s, .max = 1s, .jitter = jitter::none}});
  s.serving(2);
  s.ended(0, 1, true);
  s.ended(0, 2);
  EXPECT_EQ(s.decides.live(), 1) << "the next one did not come up";
  EXPECT_EQ(s.ended(0, 2), lines{});
  EXPECT_EQ(s.ended(0, 1), lines{});
  EXPECT_EQ(s.decides.live(), 1);
}

}  // namespace
}  // namespace muster::engine::test
