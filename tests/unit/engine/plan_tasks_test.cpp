// SPDX-License-Identifier: MIT
// What the plan decides about tasks: their limits, what becomes of those that were told to stop, and retries.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

class plan_tasks : public testing::Test {
protected:
  plan_tasks() { s.serving(1); }
  story s{{.min = 1, .max = 1, .grace = 100ms}};
  static constexpr worker_id on{0, 1};
  [[nodiscard]] time_point in(duration d) const { return s.now + d; }
};

TEST_F(plan_tasks, one_that_waits_too_long_expires_by_its_queue_timeout) {
  s.tell(happened::task_watched{7, in(50ms), {}});
  EXPECT_EQ(s.pass(49ms), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"50 expire 7 queue_timeout"}));
  EXPECT_FALSE(s.has_timer());
}

TEST_F(plan_tasks, the_queue_timeout_ends_when_the_task_begins) {
  s.tell(happened::task_watched{7, in(50ms), {}});
  s.tell(happened::task_began{7, on, {}});
  EXPECT_FALSE(s.has_timer());
}

TEST_F(plan_tasks, one_that_comes_back_unbegun_still_has_its_queue_timeout) {
  s.tell(happened::task_watched{7, in(50ms), {}});
  s.tell(happened::task_began{7, on, in(10ms)});
  s.tell(happened::task_returned{7});
  EXPECT_EQ(s.pass(1s), (lines{"50 expire 7 queue_timeout"})) << "and no run timeout, for it does not run";
}

TEST_F(plan_tasks, one_that_comes_back_after_its_queue_timeout_expires_at_once) {
  s.tell(happened::task_watched{7, in(50ms), {}});
  s.tell(happened::task_began{7, on, {}});
  s.pass(60ms);
  EXPECT_EQ(s.tell(happened::task_returned{7}), (lines{"expire 7 queue_timeout"}));
}

TEST_F(plan_tasks, one_that_runs_too_long_expires_by_its_run_timeout) {
  s.tell(happened::task_watched{7, {}, {}});
  s.tell(happened::task_began{7, on, in(20ms)});
  EXPECT_EQ(s.pass(1s), (lines{"20 expire 7 run_timeout"}));
}

TEST_F(plan_tasks, the_deadline_counts_through_waiting_and_running) {
  s.tell(happened::task_watched{7, {}, in(100ms)});
  s.pass(60ms);
  s.tell(happened::task_began{7, on, in(1s)});
  EXPECT_EQ(s.pass(2s), (lines{"100 expire 7 deadline", "1060 expire 7 run_timeout"}))
      << "the engine, which settles it at the first, says that it is over";
}

TEST_F(plan_tasks, of_two_limits_at_one_instant_the_deadline_is_named) {
  s.tell(happened::task_watched{7, in(100ms), in(100ms)});
  EXPECT_EQ(s.pass(100ms).front(), "100 expire 7 deadline");
}

TEST_F(plan_tasks, no_timer_outlives_its_task) {
  s.tell(happened::task_watched{7, in(50ms), in(100ms)});
  s.tell(happened::task_began{7, on, in(20ms)});
  s.tell(happened::task_told{7, on, death_cause::cancelled});
  s.tell(happened::task_over{7});
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.tell(happened::task_began{7, on, in(20ms)}), lines{}) << "late news of it is ignored";
  EXPECT_FALSE(s.has_timer());
}

TEST_F(plan_tasks, one_that_was_told_to_stop_is_given_up_after_grace) {
  s.tell(happened::task_told{7, on, death_cause::run_timeout});
  EXPECT_EQ(s.pass(99ms), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"100 give up 7 on 0.1 run_timeout"}));
}

TEST_F(plan_tasks, being_told_twice_does_not_lengthen_the_grace) {
  s.tell(happened::task_told{7, on, death_cause::cancelled});
  s.pass(60ms);
  s.tell(happened::task_told{7, on, death_cause::stopped});
  EXPECT_EQ(s.pass(1s), (lines{"100 give up 7 on 0.1 stopped"}));
}

TEST_F(plan_tasks, one_that_was_told_has_no_run_timeout_any_more) {
  s.tell(happened::task_watched{7, {}, {}});
  s.tell(happened::task_began{7, on, in(20ms)});
  s.tell(happened::task_told{7, on, death_cause::cancelled});
  EXPECT_EQ(s.pass(1s), (lines{"100 give up 7 on 0.1 cancelled"}));
}

TEST_F(plan_tasks, a_stop_at_once_leaves_those_who_were_told_no_grace) {
  s.tell(happened::stop_asked{s.now});
  s.tell(happened::task_told{7, on, death_cause::stopped});
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}), (lines{"give up 7 on 0.1 stopped"}));
}

// ------------------------------------------------------------------------------------------------ retries

retry_options again(int attempts, bool on_error = true) {
  return {.attempts = attempts,
          .backoff = {.first = 10ms, .max = 1s, .jitter = jitter::none},
          .on_error = on_error};
}

TEST_F(plan_tasks, a_retry_waits_out_its_backoff_and_then_runs_once) {
  EXPECT_EQ(s.tell(happened::attempt_failed{7, 1, again(3), policy::failure::error}), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"10 retry 7"}));
  EXPECT_EQ(s.tell(happened::attempt_failed{7, 2, again(3), policy::failure::error}), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"1020 retry 7"}));
}

TEST_F(plan_tasks, there_are_no_more_attempts_than_were_allowed) {
  EXPECT_EQ(s.tell(happened::attempt_failed{7, 3, again(3), policy::failure::error}), (lines{"fail 7"}));
  EXPECT_FALSE(s.has_timer());
}

TEST_F(plan_tasks, what_is_not_to_be_retried_fails_at_once) {
  EXPECT_EQ(s.tell(happened::attempt_failed{7, 1, again(3, false), policy::failure::error}),
            (lines{"fail 7"}));
  EXPECT_EQ(s.tell(happened::attempt_failed{8, 1, again(3), policy::failure::permanent}), (lines{"fail 8"}));
  EXPECT_EQ(s.tell(happened::attempt_failed{9, 1, again(3), policy::failure::timeout}), (lines{"fail 9"}));
}

TEST_F(plan_tasks, a_failed_attempt_has_no_run_timeout_and_no_queue_timeout_left) {
  s.tell(happened::task_watched{7, in(15ms), {}});
  s.tell(happened::task_began{7, on, in(5ms)});
  s.tell(happened::attempt_failed{7, 1, again(2), policy::failure::crash});
  EXPECT_EQ(s.pass(1s), (lines{"10 retry 7"}));
}

TEST_F(plan_tasks, an_attempt_that_was_lost_before_it_was_seen_to_begin_has_used_its_queue_timeout_too) {
  s.tell(happened::task_watched{7, in(15ms), {}});
  s.tell(happened::attempt_failed{7, 1, again(2), policy::failure::crash});
  EXPECT_EQ(s.pass(1s), (lines{"10 retry 7"}));
}

TEST_F(plan_tasks, the_deadline_goes_on_between_attempts) {
  s.tell(happened::task_watched{7, {}, in(5ms)});
  s.tell(happened::attempt_failed{7, 1, again(2), policy::failure::error});
  EXPECT_EQ(s.pass(5ms), (lines{"5 expire 7 deadline"}));
  s.tell(happened::task_over{7});
  EXPECT_FALSE(s.has_timer());
}

TEST_F(plan_tasks, a_pool_that_drains_still_retries_and_one_that_ends_does_not) {
  s.tell(happened::stop_asked{in(1s)});
  s.tell(happened::attempt_failed{7, 1, again(2), policy::failure::error});
  EXPECT_EQ(s.pass(500ms), (lines{"10 retry 7"}));
  s.pass(500ms);
  EXPECT_EQ(s.tell(happened::attempt_failed{8, 1, again(2), policy::failure::error}), (lines{"fail 8"}));
}

TEST_F(plan_tasks, that_are_not_known_end_without_a_trace) {
  EXPECT_EQ(s.tell(happened::task_over{99}), lines{});
  EXPECT_FALSE(s.has_timer());
}

}  // namespace
}  // namespace muster::engine::test
