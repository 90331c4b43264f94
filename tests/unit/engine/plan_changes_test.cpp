// SPDX-License-Identifier: MIT
// What the plan decides when workers are replaced by workers with changed settings.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings processes(int min, int max) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1h,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .can_kill = true};
}

// By call 1, to settings number 7.
happened::recycle_asked changed(int at_once = 1) {
  return {.call = 1, .slot = {}, .at_once = at_once, .changed = 7};
}

TEST(plan_changes, new_workers_have_the_changed_settings_and_so_have_all_that_start_later) {
  story s(processes(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(changed()), (lines{"start 2.1 as 7"}));
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 0.1"}));
  EXPECT_EQ(s.ended(0), (lines{"start 0.2 as 7"}));
  EXPECT_EQ(s.ready(0, 2), (lines{"say worker_recycled", "retire 1.1"}));
  EXPECT_EQ(s.ended(1), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}));
  EXPECT_EQ(s.ended(2, 1, true), (lines{"start 1.2 as 7"}));
}

TEST(plan_changes, where_the_first_does_not_come_up_nothing_has_changed) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(changed());
  EXPECT_EQ(s.ended(2), (lines{"recycle 1 over: failed, 0 replaced, 0 leaving, 2 kept"}));
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_changes, where_a_later_one_does_not_come_up_those_before_it_are_replaced_once_more) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(changed());
  s.ready(2);
  s.ended(0);
  EXPECT_EQ(s.ended(0, 2), (lines{"start 0.3", "recycle 1 over: failed, 1 replaced, 0 leaving, 1 kept"}));
  EXPECT_EQ(s.ready(0, 3), (lines{"say worker_recycled", "retire 2.1"}));
  EXPECT_EQ(s.ended(2, 1, true), lines{});
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"}));
  EXPECT_EQ(s.decides.live(), 2);
}

TEST(plan_changes, of_two_at_once_the_failure_of_one_ends_the_other_before_it_is_ready) {
  story s(processes(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(changed(2)), (lines{"start 2.1 as 7", "start 3.1 as 7"}));
  EXPECT_EQ(s.ended(2), (lines{"retire 3.1"}));
  EXPECT_EQ(s.ended(3), (lines{"recycle 1 over: failed, 0 replaced, 0 leaving, 2 kept"}));
  EXPECT_EQ(s.decides.live(), 2);
}

TEST(plan_changes, a_new_one_that_ends_before_it_is_ready_does_not_keep_the_pool_from_shrinking) {
  plan_settings settings = processes(1, 2);
  settings.idle_timeout = 1s;
  story s(settings);
  s.serving(1);
  s.tell(happened::backlog{1});
  s.ready(1);
  s.pass(999ms);
  s.tell(changed(2));
  EXPECT_EQ(s.ended(2), (lines{"retire 3.1"}));
  EXPECT_EQ(s.pass(1ms), (lines{"1000 survey"}));
  s.tell(happened::surveyed{{{{0, 1}, s.now}, {{1, 1}, s.now}}});
  s.ended(3);
  EXPECT_EQ(s.pass(1s), (lines{"2000 survey"}));
}

TEST(plan_changes, one_that_is_ended_before_it_is_ready_is_missed_by_nobody) {
  story s(processes(2, 4));
  s.serving(2);
  EXPECT_EQ(s.tell(changed(2)), (lines{"start 2.1 as 7", "start 3.1 as 7"}));
  EXPECT_EQ(s.ended(2), (lines{"retire 3.1"})) << "and nobody starts: the two old ones stay";
  EXPECT_EQ(s.ended(3), (lines{"recycle 1 over: failed, 0 replaced, 0 leaving, 2 kept"}));
  EXPECT_EQ(s.decides.live(), 2);
}

TEST(plan_changes, who_starts_before_they_are_in_force_is_replaced_as_well) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(changed());
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"})) << "nobody has come up with the new settings yet";
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 0.1"}));
  EXPECT_EQ(s.ended(0), lines{});
  EXPECT_EQ(s.ready(1, 2), (lines{"start 0.2 as 7"}));
  EXPECT_EQ(s.ready(0, 2), (lines{"say worker_recycled", "retire 1.2"}));
  EXPECT_EQ(s.ended(1, 2), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}))
      << "who came later is not counted";
}

TEST(plan_changes, who_is_added_or_dies_after_that_has_them) {
  story s(processes(1, 3));
  s.serving(1);
  s.tell(changed());
  s.ready(1);
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled", "start 2.1 as 7"}));
}

TEST(plan_changes, at_the_deadline_with_workers_left_everything_is_rolled_back) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(changed());
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}),
            (lines{"retire 2.1", "recycle 1 over: given up, 0 replaced, 0 leaving, 2 kept, rolled back"}));
  EXPECT_EQ(s.ended(2), lines{});
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_changes, at_the_deadline_with_some_replaced_these_are_replaced_once_more) {
  story s(processes(2, 2));
  s.serving(2);
  s.tell(changed());
  s.ready(2);
  s.ended(0);  // and 0.2 starts
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}),
            (lines{"retire 0.2", "recycle 1 over: given up, 1 replaced, 0 leaving, 1 kept, rolled back",
                   "start 3.1"}));
  EXPECT_EQ(s.ready(3), (lines{"say worker_recycled", "retire 2.1"}));
}

TEST(plan_changes, at_the_deadline_with_nothing_left_but_long_tasks_they_are_in_force) {
  story s(processes(1, 1));
  s.serving(1);
  s.tell(changed());
  s.ready(1);
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}),
            (lines{"recycle 1 over: given up, 0 replaced, 1 leaving, 0 kept"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 0.2 as 7"}));
}

TEST(plan_changes, without_a_worker_they_are_in_force_untried) {
  story s(processes(0, 1));
  s.start();
  EXPECT_EQ(s.tell(changed()), (lines{"recycle 1 over: all done, 0 replaced, 0 leaving, 0 kept"}));
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled", "start 0.1 as 7"}));
}

TEST(plan_changes, a_second_change_goes_back_to_the_first_when_it_fails) {
  story s(processes(1, 1));
  s.serving(1);
  s.tell(changed());
  s.ready(1);
  EXPECT_EQ(s.ended(0), (lines{"recycle 1 over: all done, 1 replaced, 0 leaving, 0 kept"}));
  happened::recycle_asked second = changed();
  second.call = 2;
  second.changed = 8;
  EXPECT_EQ(s.tell(second), (lines{"start 0.2 as 8"}));
  EXPECT_EQ(s.ended(0, 2), (lines{"recycle 2 over: failed, 0 replaced, 0 leaving, 1 kept"}));
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 0.3 as 7"}));
}

}  // namespace
}  // namespace muster::engine::test
