// SPDX-License-Identifier: MIT
// What the plan decides about failures: pauses between attempts and restarts, slots that rest, tasks that are
// set aside.
#include <gtest/gtest.h>

#include "story.hpp"

namespace muster::engine::test {
namespace {

using question = happened::attempt_failed::question;

plan_settings processes(int workers) {
  return {.min = workers,
          .max = workers,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 1s, .max = 30s, .jitter = jitter::none},
          .can_kill = true};
}

constexpr int always = 1'000;
retry_options doubling(int attempts) {
  return {
      .attempts = attempts, .backoff = {.first = 2s, .max = 1h, .jitter = jitter::none}, .on_error = true};
}

// S113, S144
TEST(plan_failing, attempts_are_two_four_and_eight_seconds_apart_and_the_last_error_is_the_result) {
  story s(processes(1));
  s.serving(1);
  const auto fails = [&](int attempt) {
    return s.tell(happened::attempt_failed{7, attempt, doubling(4), policy::failure::error});
  };
  EXPECT_EQ(fails(1), lines{});
  EXPECT_EQ(s.pass(2s), (lines{"2000 retry 7"}));
  EXPECT_EQ(fails(2), lines{});
  EXPECT_EQ(s.pass(4s), (lines{"6000 retry 7"}));
  EXPECT_EQ(fails(3), lines{});
  EXPECT_EQ(s.pass(8s), (lines{"14000 retry 7"}));
  EXPECT_EQ(fails(4), (lines{"fail 7"}));
}

// S117
TEST(plan_failing, starts_that_fail_are_one_two_four_and_at_most_thirty_seconds_apart) {
  story s(processes(1));
  s.start();
  std::vector<int> pauses;
  for (std::uint32_t generation = 1; generation <= 7; ++generation) {
    s.ended(0, generation);
    const auto before = s.now;
    for (int i = 0; i < 31 && s.pass(1s).empty(); ++i) {}
    pauses.push_back(static_cast<int>((s.now - before) / 1s));
  }
  EXPECT_EQ(pauses, (std::vector<int>{1, 2, 4, 8, 16, 30, 30}));
}

TEST(plan_failing, who_is_asked_first_waits_for_the_answer_and_only_then_for_its_pause) {
  story s(processes(1));
  s.serving(1);
  happened::attempt_failed what{7, 1, doubling(2), policy::failure::error};
  what.asked = question::pending;
  EXPECT_EQ(s.tell(what), lines{});
  EXPECT_EQ(s.pass(1h), lines{});
  what.asked = question::answered;
  EXPECT_EQ(s.tell(what), lines{});
  EXPECT_EQ(s.pass(2s), (lines{"3602000 retry 7"}));
  what.why = policy::failure::permanent;  // a no
  EXPECT_EQ(s.tell(what), (lines{"fail 7"}));
}

// ----------------------------------------------------------------------------------------------------------
// slots

plan_settings resting(int workers) {
  auto set = processes(workers);
  set.restart.limit = 3;
  set.restart.window = 60s;
  set.restart.cool_down = 30s;
  return set;
}

// S116
TEST(plan_failing, a_slot_whose_worker_always_dies_is_filled_three_times_then_rests_and_is_tried_again) {
  story s(resting(2));
  s.serving(2);
  for (std::uint32_t generation = 1; generation <= 3; ++generation) {
    EXPECT_EQ(s.ended(0, generation, true), (lines{"start 0." + std::to_string(generation + 1)}));
    s.ready(0, generation + 1);
  }
  EXPECT_EQ(s.ended(0, 4, true), (lines{"say worker_failed", "say degraded"}));
  EXPECT_TRUE(s.decides.degraded());
  EXPECT_EQ(s.tell(happened::backlog{10}), lines{}) << "nor does its worker start in another slot";
  EXPECT_EQ(s.pass(29s), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"30000 say recovered", "30000 start 0.5"}));
  EXPECT_FALSE(s.decides.degraded());
  s.ready(0, 5);
  EXPECT_EQ(s.ended(0, 5, true), (lines{"say worker_failed", "say degraded"})) << "the window is not over";
}

TEST(plan_failing, a_window_forgets) {
  story s(resting(1));
  s.serving(1);
  for (std::uint32_t generation = 1; generation <= 50; ++generation) {
    s.now += 25s;
    EXPECT_EQ(s.ended(0, generation, true), (lines{"start 0." + std::to_string(generation + 1)}));
    s.ready(0, generation + 1);
  }
}

// T30
TEST(plan_failing, with_every_slot_poisoned_the_pool_is_degraded_and_recovers_by_itself) {
  story s(resting(4));
  s.serving(4);
  for (std::uint32_t generation = 1; generation <= 4; ++generation)
    for (std::uint32_t slot = 0; slot < 4; ++slot) {
      s.ended(slot, generation, true);
      if (generation < 4) s.ready(slot, generation + 1);
    }
  EXPECT_EQ(s.decides.live(), 0);
  EXPECT_TRUE(s.decides.degraded());
  EXPECT_EQ(s.tell(happened::backlog{100}), lines{});
  const lines back = s.pass(30s);
  EXPECT_EQ(back.back(), "30000 start 3.5");
  EXPECT_EQ(std::count(back.begin(), back.end(), "30000 say recovered"), 1);
  EXPECT_FALSE(s.decides.degraded());
  for (std::uint32_t slot = 0; slot < 4; ++slot) s.ready(slot, 5);
  EXPECT_EQ(s.decides.live(), 4);
}

TEST(plan_failing, workers_that_we_end_do_not_count) {
  story s(resting(1));
  s.serving(1);
  for (std::uint32_t generation = 1; generation < 20; ++generation) {
    EXPECT_EQ(s.tell(happened::worker_ended{{0, generation}, true, true}),
              (lines{"start 0." + std::to_string(generation + 1)}));
    s.ready(0, generation + 1);
  }
}

TEST(plan_failing, a_pool_that_stops_does_not_wait_for_a_slot_that_rests) {
  story s(resting(1));
  s.serving(1);
  for (std::uint32_t generation = 1; generation <= 4; ++generation) {
    s.ended(0, generation, true);
    s.ready(0, generation + 1);
  }
  s.tell(happened::stop_asked{s.now + 1h});
  s.tell(happened::drained{});
  EXPECT_TRUE(s.decides.finished());
}

// -----------------------------------------------------------------------------------------------------------
// quarantine

struct quarantined_tasks : testing::Test {
  quarantined_tasks() : s(settings()) { s.serving(4); }
  static plan_settings settings() {
    auto set = processes(4);
    set.quarantine = quarantine_options{.deaths = 3, .mass_within = 100ms};
    return set;
  }
  lines kills(std::uint32_t slot, std::uint32_t generation, int attempt, int attempts, bool own = false) {
    happened::attempt_failed what{
        7, attempt, {.attempts = attempts, .backoff = {.first = 0ms, .max = 0ms}}, policy::failure::crash};
    what.suspect = "number 7";
    what.outranks = own;
    lines said = s.tell(what);
    s.ended(slot, generation, true);
    s.ready(slot, generation + 1);
    return said;
  }
  story s;
};

TEST_F(quarantined_tasks, are_set_aside_at_the_third_death_though_more_attempts_are_allowed) {
  EXPECT_EQ(kills(0, 1, 1, always), lines{});
  EXPECT_EQ(s.pass(100ms), (lines{"100 retry 7"}));
  EXPECT_EQ(kills(1, 1, 2, always), lines{});
  EXPECT_EQ(s.pass(100ms), (lines{"200 retry 7"}));
  EXPECT_EQ(kills(2, 1, 3, always), lines{});
  EXPECT_EQ(s.pass(100ms), (lines{"300 quarantine 7"}));
}

TEST_F(quarantined_tasks, fail_at_once_where_no_attempt_is_left_and_nothing_is_to_be_judged) {
  EXPECT_EQ(kills(0, 1, 1, 1), (lines{"fail 7"}));
}

// S111
TEST_F(quarantined_tasks, with_attempts_of_their_own_run_as_often_as_those_say) {
  for (int attempt = 1; attempt < 6; ++attempt) {
    EXPECT_EQ(kills(0, static_cast<std::uint32_t>(attempt), attempt, 6, true), lines{});
    EXPECT_EQ(s.pass(1s).size(), 1u);
  }
  EXPECT_EQ(kills(0, 6, 6, 6, true), (lines{"fail 7"}));
}

// R18
TEST_F(quarantined_tasks, are_not_those_under_which_all_workers_died_together) {
  for (int attempt = 1; attempt < 3; ++attempt) {
    kills(0, static_cast<std::uint32_t>(attempt), attempt, always);
    s.pass(1s);
  }
  kills(0, 3, 3, always);
  for (std::uint32_t slot = 1; slot < 4; ++slot) s.ended(slot, 1, true);
  const lines said = s.pass(1s);
  EXPECT_NE(std::find_if(said.begin(), said.end(),
                         [](const auto& line) { return line.find("retry 7") != std::string::npos; }),
            said.end());
}

}  // namespace
}  // namespace muster::engine::test
