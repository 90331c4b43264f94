// SPDX-License-Identifier: MIT
// What the plan decides about workers and tasks that were told to end and do not: signal after signal, and
// SIGKILL at last.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings with_ladder(int min, int max, std::vector<stop_signal> ladder) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .stop = std::move(ladder),
          .can_kill = true};
}
std::vector<stop_signal> term_and_int() {
  return {{.signal = SIGTERM, .patience = 2s}, {.signal = SIGINT, .patience = 1s}};
}
const std::string term = std::to_string(SIGTERM), interrupt = std::to_string(SIGINT);
constexpr worker_id on{0, 1};

TEST(plan_stopping, one_that_does_not_end_with_the_pool_gets_each_signal_and_is_killed_at_last) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1"}));
  EXPECT_EQ(s.pass(10s), (lines{"100 signal " + term + " to 0.1", "2100 signal " + interrupt + " to 0.1",
                                "3100 kill 0.1 stopped"}));
  s.ended(0, 1, true);
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_stopping, when_told_to_stop_at_once_after_all_it_kills_every_worker_that_is_leaving) {
  story s(with_ladder(3, 3, term_and_int()));
  s.serving(3);
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1", "retire 1.1", "retire 2.1"}));
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}),
            (lines{"kill 0.1 stopped", "kill 1.1 stopped", "kill 2.1 stopped"}));
}

TEST(plan_stopping, a_closed_pool_takes_as_long_as_its_tasks_do) {
  story s(with_ladder(1, 2, {}));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::stop_asked{base::never}), lines{});
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.pass(24h), lines{});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1"}));
  s.ended(0, 1, true);
  EXPECT_TRUE(s.decides.finished());
}

TEST(plan_stopping, a_closed_pool_can_still_be_given_a_deadline_and_keeps_it) {
  story s(with_ladder(1, 1, {}));
  s.serving(1);
  s.tell(happened::stop_asked{base::never});
  s.tell(happened::stop_asked{s.now + 3s});
  s.tell(happened::stop_asked{base::never});  // closed once more
  EXPECT_EQ(s.pass(10s), (lines{"3000 cancel all", "3000 retire 0.1", "3100 kill 0.1 stopped"}));
}

TEST(plan_stopping, one_that_ends_at_a_signal_gets_no_other) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::stop_asked{s.now});
  EXPECT_EQ(s.pass(200ms), (lines{"100 signal " + term + " to 0.1"}));
  s.ended(0, 1, true);
  EXPECT_EQ(s.pass(1h), lines{});
}

TEST(plan_stopping, nothing_is_waited_for_after_sigkill) {
  story s(with_ladder(1, 1, {{.signal = SIGKILL, .patience = 1h}}));
  s.serving(1);
  s.tell(happened::stop_asked{s.now});
  EXPECT_EQ(s.pass(1h), (lines{"100 kill 0.1 stopped"}));
}

TEST(plan_stopping, without_patience_the_next_signal_comes_at_once) {
  story s(with_ladder(1, 1, {{.signal = SIGTERM, .patience = 0s}}));
  s.serving(1);
  s.tell(happened::stop_asked{s.now});
  EXPECT_EQ(s.pass(1h), (lines{"100 signal " + term + " to 0.1", "100 kill 0.1 stopped"}));
}

TEST(plan_stopping, at_once_leaves_out_what_is_left_of_the_signals) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::stop_asked{s.now});
  s.pass(200ms);
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}), (lines{"kill 0.1 stopped"}));

  story t(with_ladder(1, 1, term_and_int()));
  t.serving(1);
  EXPECT_EQ(t.tell(happened::stop_asked{t.now, true}),
            (lines{"cancel all", "retire 0.1", "kill 0.1 stopped"}));
}

TEST(plan_stopping, a_task_that_does_not_stop_costs_its_worker_each_signal_in_turn) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::task_told{7, on, death_cause::run_timeout});
  EXPECT_EQ(s.pass(10s), (lines{"100 give up 7 on 0.1 run_timeout by signal " + term,
                                "2100 give up 7 on 0.1 run_timeout by signal " + interrupt,
                                "3100 give up 7 on 0.1 run_timeout"}));
  s.tell(happened::task_over{7});
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_stopping, a_task_that_ends_at_a_signal_costs_its_worker_no_other) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::task_told{7, on, death_cause::cancelled});
  s.pass(100ms);
  s.tell(happened::task_over{7});
  EXPECT_EQ(s.pass(1h), lines{});
}

TEST(plan_stopping, at_once_kills_for_a_task_that_is_between_two_signals) {
  story s(with_ladder(1, 1, term_and_int()));
  s.serving(1);
  s.tell(happened::task_told{7, on, death_cause::cancelled});
  s.pass(100ms);
  EXPECT_EQ(s.tell(happened::stop_asked{s.now, true}),
            (lines{"cancel all", "retire 0.1", "kill 0.1 stopped", "give up 7 on 0.1 cancelled"}));
}

// One that was let go had nothing to do: it has as long as it had to come up before anybody gets impatient.
TEST(plan_stopping, one_that_was_let_go_is_signalled_only_while_it_has_no_task) {
  story s(with_ladder(0, 1, term_and_int()));
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.tell(happened::surveyed{{{on, story::begin - 2s}}});
  EXPECT_EQ(s.pass(5s), (lines{"5000 signal " + term + " to 0.1 unless busy"}));
  s.tell(happened::worker_spared{on});
  EXPECT_EQ(s.pass(5s), (lines{"10000 signal " + term + " to 0.1 unless busy"})) << "from the start again";
  EXPECT_EQ(s.pass(4s), (lines{"12000 signal " + interrupt + " to 0.1 unless busy",
                               "13000 kill 0.1 stopped unless busy"}));
}

// With no grace it would be signalled, spared and hurried again in one and the same moment, for ever.
TEST(plan_stopping, one_that_leaves_is_hurried_once_for_tasks_that_wait_for_its_place) {
  auto how = with_ladder(0, 1, term_and_int());
  how.grace = 0s;
  story s(how);
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.tell(happened::surveyed{{{on, story::begin - 2s}}});
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled", "signal " + term + " to 0.1 unless busy"}));
  s.tell(happened::worker_spared{on});
  EXPECT_EQ(s.tell(happened::backlog{1}), lines{});
  EXPECT_EQ(s.pass(1s), lines{});

  story other(how = {.min = 0, .max = 1, .grace = 0s, .can_kill = true});
  other.start();
  other.tell(happened::backlog{1});
  other.ready(0);
  other.tell(happened::surveyed{{{on, story::begin - 20s}}});
  EXPECT_EQ(other.tell(happened::backlog{1}), (lines{"say scaled", "kill 0.1 stopped unless busy"}));
  EXPECT_EQ(other.tell(happened::backlog{1}), lines{}) << "it takes its time to die";
}

TEST(plan_stopping, each_generation_gets_the_signals_from_the_first_one_on) {
  story s(with_ladder(0, 1, term_and_int()));
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.tell(happened::surveyed{{{on, story::begin - 2s}}});
  EXPECT_EQ(s.pass(5s), (lines{"5000 signal " + term + " to 0.1 unless busy"}));
  s.ended(0);
  s.tell(happened::backlog{1});
  s.ready(0, 2);
  s.tell(happened::surveyed{{{{0, 2}, story::begin - 2s}}});
  EXPECT_EQ(s.pass(5s), (lines{"10000 signal " + term + " to 0.2 unless busy"}));
}

TEST(plan_stopping, an_older_generation_that_is_spared_gives_the_next_no_time) {
  story s(with_ladder(1, 1, {}));
  s.serving(1);
  s.ended(0, 1, true);
  s.ready(0, 2);
  s.tell(happened::stop_asked{s.now + 10s});
  s.tell(happened::drained{});
  s.tell(happened::worker_spared{on});
  s.tell(happened::worker_spared{{0, 2}});
  EXPECT_EQ(s.pass(10s), (lines{"100 kill 0.2 stopped"})) << "the pool ends";
}

}  // namespace
}  // namespace muster::engine::test
