// SPDX-License-Identifier: MIT
// What the plan decides about workers that have served long enough.
#include <gtest/gtest.h>

#include <set>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings processes(int min, int max, const life_settings& life) {
  return {.min = min,
          .max = max,
          .idle_timeout = 1s,
          .grace = 100ms,
          .ready_timeout = 5s,
          .restart = {.first = 100ms, .max = 1s, .jitter = jitter::none},
          .life = life,
          .can_kill = true};
}
constexpr life_settings after_tasks{.tasks = 100, .jitter = 0};

happened::worker_worn served(std::uint32_t slot, std::uint32_t generation = 1, bool overdue = false) {
  return {{slot, generation}, recycle_reason::tasks, overdue};
}

TEST(plan_recycle, the_new_worker_starts_first_and_the_old_one_goes_when_it_is_ready) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  EXPECT_EQ(s.tell(served(0)), (lines{"start 1.1"})) << "beside the old one, beyond max";
  EXPECT_EQ(s.ready(1), (lines{"say worker_recycled", "retire 0.1"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{}) << "its replacement is there";
  EXPECT_EQ(s.decides.live(), 1);
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_recycle, one_is_replaced_at_a_time_until_the_old_one_is_gone) {
  story s(processes(3, 3, after_tasks));
  s.serving(3);
  EXPECT_EQ(s.tell(served(1)), (lines{"start 3.1"}));
  EXPECT_EQ(s.tell(served(0)), lines{});
  EXPECT_EQ(s.tell(served(2)), lines{});
  EXPECT_EQ(s.ready(3), (lines{"say worker_recycled", "retire 1.1"}));
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"})) << "for worker 0, which waited longest";
  EXPECT_EQ(s.ready(1, 2), (lines{"say worker_recycled", "retire 0.1"}));
}

TEST(plan_recycle, where_all_are_overdue_half_of_them_are_replaced_at_a_time) {
  story s(processes(4, 4, after_tasks));
  s.serving(4);
  EXPECT_EQ(s.tell(served(0)), (lines{"start 4.1"}));
  for (std::uint32_t slot = 1; slot < 4; ++slot) EXPECT_EQ(s.tell(served(slot)), lines{});
  for (std::uint32_t slot = 0; slot < 3; ++slot) EXPECT_EQ(s.tell(served(slot, 1, true)), lines{});
  EXPECT_EQ(s.tell(served(3, 1, true)), (lines{"start 5.1"}));
}

TEST(plan_recycle, a_new_one_that_does_not_come_up_leaves_the_old_one_and_is_tried_again_after_a_pause) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  s.tell(served(0));
  EXPECT_EQ(s.ended(1), lines{}) << "nobody misses it, so the pool is not degraded";
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 1.2"}));
  EXPECT_EQ(s.ended(1, 2), lines{});
  EXPECT_EQ(s.pass(200ms), (lines{"300 start 1.3"})) << "pauses grow";
  EXPECT_EQ(s.pass(5s), (lines{"5300 kill 1.3 not_ready"}));
  EXPECT_EQ(s.ended(1, 3), lines{});
  EXPECT_EQ(s.pass(400ms), (lines{"5700 start 1.4"}));
  EXPECT_EQ(s.ready(1, 4), (lines{"say worker_recycled", "retire 0.1"}));
}

TEST(plan_recycle, an_old_one_that_dies_meanwhile_has_its_replacement_on_its_way) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  s.tell(served(0));
  EXPECT_EQ(s.ended(0, 1, true), lines{}) << "no second one is started";
  EXPECT_EQ(s.ready(1), lines{});
  EXPECT_EQ(s.decides.live(), 1);
  EXPECT_EQ(s.tell(served(1)), (lines{"start 0.2"})) << "that exchange is over";
}

TEST(plan_recycle, when_the_old_one_died_and_the_new_one_fails_the_pool_is_degraded) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  s.tell(served(0));
  s.ended(0, 1, true);
  EXPECT_EQ(s.ended(1), (lines{"say degraded"}));
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 0.2"}));
}

TEST(plan_recycle, nobody_is_replaced_while_workers_cannot_be_started) {
  story s(processes(2, 2, after_tasks));
  s.serving(2);
  EXPECT_EQ(s.ended(1), (lines{"say degraded"}));
  EXPECT_EQ(s.tell(served(0)), lines{});
  EXPECT_EQ(s.pass(100ms), (lines{"100 start 1.2"}));
  EXPECT_EQ(s.ready(1, 2), (lines{"say recovered", "start 2.1"}));
}

TEST(plan_recycle, another_death_meanwhile_is_replaced_at_once) {
  story s(processes(2, 2, after_tasks));
  s.serving(2);
  EXPECT_EQ(s.tell(served(0)), (lines{"start 2.1"}));
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 0.1"}));  // and takes its time
  EXPECT_EQ(s.ended(1, 1, true), (lines{"start 1.2"}));
  EXPECT_EQ(s.decides.live(), 3) << "one more than max: the one that leaves";
}

TEST(plan_recycle, an_idle_one_above_min_that_is_being_replaced_is_not_let_go_for_that_too) {
  story s(processes(1, 2, after_tasks));
  s.serving(1);
  s.tell(happened::backlog{1});
  s.ready(1);
  EXPECT_EQ(s.tell(served(0)), (lines{"start 2.1"}));
  EXPECT_EQ(s.tell(happened::surveyed{{{{0, 1}, story::begin - 2s}, {{1, 1}, story::begin - 2s}}}),
            (lines{"retire 1.1", "say scaled"}));
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 0.1"}));
}

// Its replacement stays for good then, and is one of those that may be too many.
TEST(plan_recycle, one_that_dies_while_it_is_replaced_hides_no_worker_that_is_too_many) {
  story s(processes(2, 2, after_tasks));
  s.serving(2);
  s.tell(happened::recycle_asked{.call = 1, .at_once = 2});
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.ended(1, 1, true), lines{}) << "both replacements are on their way";
  EXPECT_EQ(s.tell(happened::resize_asked{0, 1}), (lines{"say scaled", "survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{}), (lines{"retire 3.1"}));
  EXPECT_EQ(s.ended(3, 1, false), lines{});
  EXPECT_EQ(s.ready(2), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}))
      << "nobody was needed in that place, so nothing failed";
}

// Or a pool whose workers grow old sooner than they may be let go would never shrink.
TEST(plan_recycle, one_that_takes_the_place_of_an_idle_one_has_been_idle_for_as_long) {
  auto how = processes(1, 2, {.age = 600ms, .jitter = 0});
  how.scaling.least_life = 1500ms;
  story s(how);
  s.serving(1);
  s.tell(happened::backlog{1});
  s.ready(1);  // both are ready at 0 ms, and old at 600 ms: one is replaced after the other
  EXPECT_EQ(s.pass(600ms), (lines{"600 start 2.1"}));
  s.ready(2);
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
  s.ready(0, 2);
  s.ended(1, 1, false);
  EXPECT_EQ(s.pass(500ms), (lines{"1000 survey"}));
  happened::surveyed seen;
  seen.idle = {{{2, 1}, story::begin + 600ms}, {{0, 2}, story::begin + 600ms}};
  EXPECT_EQ(s.tell(seen), lines{}) << "they have been there for less than least_life";
  EXPECT_EQ(s.pass(100ms), (lines{"1200 start 1.2"})) << "by age again";
  s.ready(1, 2);
  EXPECT_EQ(s.ended(0, 2, false), (lines{"start 0.3"}));
  s.ready(0, 3);
  s.ended(2, 1, false);
  EXPECT_EQ(s.pass(300ms), (lines{"1500 survey"}));
  seen.idle = {{{1, 2}, story::begin + 1200ms}, {{0, 3}, story::begin + 1200ms}};
  EXPECT_EQ(s.tell(seen), (lines{"retire 1.2", "say scaled"}))
      << "which stands for one that never had a task; the other's had one until 600 ms";
}

TEST(plan_recycle, by_age_it_is_replaced_so_long_after_it_was_ready) {
  story s(processes(1, 1, {.age = 1min, .jitter = 0}));
  s.start();
  s.pass(3s);
  s.ready(0);
  EXPECT_EQ(s.pass(61s), (lines{"63000 start 1.1"}));
  s.ready(1);
  s.ended(0);
  EXPECT_EQ(s.pass(1min), (lines{"124000 start 0.2"})) << "a minute after the new one was ready";
}

TEST(plan_recycle, at_twice_its_age_it_is_overdue) {
  auto aging = processes(4, 4, {.age = 1min, .jitter = 0});
  aging.ready_timeout = 1h;
  story s(aging);
  s.serving(4);
  EXPECT_EQ(s.pass(1min), (lines{"60000 start 4.1"}));
  EXPECT_EQ(s.pass(1min), (lines{"120000 start 5.1"})) << "half of them at a time";
  EXPECT_EQ(s.pass(10min), lines{}) << "and that is the last that its age has to say";
}

TEST(plan_recycle, for_two_reasons_two_are_replaced_at_a_time) {
  story s(processes(3, 3, {.tasks = 100, .age = 1min, .jitter = 0}));
  s.serving(3);
  s.pass(59s);
  EXPECT_EQ(s.tell(served(2)), (lines{"start 3.1"}));
  EXPECT_EQ(s.pass(1s), (lines{"60000 start 4.1"})) << "and worker 1, of the same age, waits";
}

TEST(plan_recycle, jitter_draws_each_limit_from_its_last_part_by_the_seed) {
  const auto drawn_by = [](std::uint64_t seed) {
    auto settings = processes(50, 50, {.tasks = 1'000, .age = 1'000s, .jitter = 0.2});
    settings.seed = seed;
    plan decides(settings);
    decides.observe(happened::start_asked{}, story::begin);
    std::vector<std::uint64_t> drawn;
    while (const auto next = decides.next(story::begin))
      if (const auto* start = std::get_if<todo::start_worker>(&*next)) drawn.push_back(start->tasks.value());
    return drawn;
  };
  const auto drawn = drawn_by(7);
  ASSERT_EQ(drawn.size(), 50u);
  for (const std::uint64_t tasks : drawn) {
    EXPECT_GE(tasks, 800u);
    EXPECT_LE(tasks, 1'000u);
  }
  EXPECT_GT(std::set(drawn.begin(), drawn.end()).size(), 30u) << "they do not go together";
  EXPECT_EQ(drawn, drawn_by(7));
  EXPECT_NE(drawn, drawn_by(8));
}

TEST(plan_recycle, with_jitter_workers_of_one_age_go_one_after_the_other) {
  story s(processes(4, 4, {.age = 100s, .jitter = 0.5}));
  s.serving(4);
  std::set<std::string> began_at;
  for (std::uint32_t replaced = 0; replaced < 4;) {
    const auto before = s.now;
    for (const auto& line : s.pass(1s)) {
      const auto start = line.find(" start ");
      ASSERT_NE(start, std::string::npos) << line;
      began_at.insert(line.substr(0, start));
      const auto dot = line.find('.');
      const auto slot = static_cast<std::uint32_t>(std::stoul(line.substr(start + 7)));
      const auto said = s.ready(slot, static_cast<std::uint32_t>(std::stoul(line.substr(dot + 1))));
      ASSERT_EQ(said.size(), 2u);
      const std::string retired = said[1].substr(7);
      s.ended(static_cast<std::uint32_t>(std::stoul(retired)),
              static_cast<std::uint32_t>(std::stoul(retired.substr(retired.find('.') + 1))));
      ++replaced;
    }
    ASSERT_LE(before - story::begin, 200s);
  }
  EXPECT_EQ(began_at.size(), 4u);
}

TEST(plan_recycle, a_pool_that_stops_replaces_nobody) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(served(0)), lines{});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1"}));
}

TEST(plan_recycle, a_stop_in_the_midst_of_it_ends_both) {
  story s(processes(1, 1, {.tasks = 100, .age = 1min, .jitter = 0}));
  s.serving(1);
  s.tell(served(0));
  s.tell(happened::stop_asked{s.now + 10s});
  EXPECT_EQ(s.tell(happened::drained{}), (lines{"retire 0.1", "retire 1.1"}));
  s.ready(1);
  s.ended(1);
  s.ended(0, 1, true);
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_recycle, news_of_an_older_generation_replaces_nobody) {
  story s(processes(1, 1, after_tasks));
  s.serving(1);
  s.ended(0, 1, true);
  s.ready(0, 2);
  EXPECT_EQ(s.tell(served(0, 1)), lines{});
  EXPECT_EQ(s.tell(served(9, 1)), lines{});
}

TEST(plan_recycle, with_the_largest_limits_nothing_overflows) {
  story s(processes(1, 1, {.tasks = std::uint64_t{1} << 63U, .age = duration::max(), .jitter = 0}));
  s.serving(1);
  EXPECT_FALSE(s.has_timer()) << "that age is never";
}

// ------------------------------------------------------------------------------------------------ asked for

constexpr life_settings for_ever{};

TEST(plan_recycle, asked_for_all_replaces_one_after_the_other) {
  story s(processes(2, 2, for_ever));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::recycle_asked{1}), (lines{"start 2.1"}));
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 0.1"}));
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
  EXPECT_EQ(s.ready(0, 2), (lines{"say worker_recycled", "retire 1.1"}));
  EXPECT_EQ(s.ended(1, 1, true), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}));
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_recycle, asked_for_several_at_a_time_replaces_so_many) {
  story s(processes(3, 3, for_ever));
  s.serving(3);
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .at_once = 2}), (lines{"start 3.1", "start 4.1"}));
  s.ready(3);
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_recycle, asked_for_a_slot_replaces_the_worker_there) {
  story s(processes(2, 2, for_ever));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .slot = 1}), (lines{"start 2.1"}));
  EXPECT_EQ(s.ready(2), (lines{"say worker_recycled", "retire 1.1"}));
  EXPECT_EQ(s.ended(1), (lines{"recycle 1 over: all done, 1 replaced, 0 leaving, 0 kept"}));
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 2, .slot = 1}),
            (lines{"recycle 2 over: no such worker, 0 replaced, 0 leaving, 0 kept"}));
}

TEST(plan_recycle, asked_for_stops_at_the_first_that_does_not_come_up_and_the_others_stay) {
  story s(processes(3, 3, for_ever));
  s.serving(3);
  s.tell(happened::recycle_asked{1});
  s.ready(3);
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
  EXPECT_EQ(s.ended(0, 2), (lines{"recycle 1 over: failed, 1 replaced, 0 leaving, 2 kept"}));
  EXPECT_FALSE(s.decides.degraded());
  EXPECT_FALSE(s.has_timer()) << "it is not tried again by itself";
  EXPECT_EQ(s.decides.live(), 3);
}

TEST(plan_recycle, asked_for_waits_for_workers_that_are_on_their_way) {
  story s(processes(1, 1, for_ever));
  s.start();
  EXPECT_EQ(s.tell(happened::recycle_asked{1}), lines{});
  EXPECT_EQ(s.ready(0), (lines{"say started", "start 1.1"}))
      << "it may have read what was there before the call";
}

TEST(plan_recycle, asked_for_twice_is_done_twice_one_after_the_other) {
  story s(processes(1, 1, for_ever));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::recycle_asked{1}), (lines{"start 1.1"}));
  EXPECT_EQ(s.tell(happened::recycle_asked{2}), lines{});
  s.ready(1);
  EXPECT_EQ(s.ended(0), (lines{"recycle 1 over: all done, 1 replaced, 0 leaving, 0 kept", "start 0.2"}))
      << "worker 1 was there, not ready, when it was asked the second time";
  s.ready(0, 2);
  EXPECT_EQ(s.ended(1), (lines{"recycle 2 over: all done, 2 replaced, 0 leaving, 0 kept"}));
}

TEST(plan_recycle, asked_for_and_given_up_goes_on_with_what_was_begun_and_nothing_more) {
  story s(processes(2, 2, for_ever));
  s.serving(2);
  s.tell(happened::recycle_asked{1});
  s.ready(2);
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}),
            (lines{"recycle 1 over: given up, 0 replaced, 1 leaving, 1 kept"}));
  EXPECT_EQ(s.ended(0, 1, true), lines{});
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}), lines{}) << "it is over";
}

TEST(plan_recycle, asked_for_with_a_pause_waits_for_some_of_it_between_two_exchanges) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    plan_settings settings = processes(2, 2, for_ever);
    settings.seed = seed;
    story s(settings);
    s.serving(2);
    EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .pause = 1s}), (lines{"start 2.1"})) << "at once";
    s.ready(2);
    EXPECT_EQ(s.ended(0, 1, true), lines{}) << "its place is taken, and the pause is not over";
    const lines next = s.pass(1s);
    ASSERT_EQ(next.size(), 1U);
    EXPECT_TRUE(next[0].ends_with(" start 0.2")) << next[0];
    EXPECT_FALSE(next[0].starts_with("0 ")) << next[0];
    s.ready(0, 2);
    EXPECT_EQ(s.ended(1, 1, true), (lines{"recycle 1 over: all done, 2 replaced, 0 leaving, 0 kept"}));
    EXPECT_FALSE(s.has_timer());
  }
}

TEST(plan_recycle, given_up_in_a_pause_has_no_timer_left) {
  story s(processes(2, 2, for_ever));
  s.serving(2);
  s.tell(happened::recycle_asked{.call = 1, .pause = 1h});
  s.ready(2);
  s.ended(0, 1, true);
  EXPECT_EQ(s.tell(happened::recycle_given_up{1}),
            (lines{"recycle 1 over: given up, 1 replaced, 0 leaving, 1 kept"}));
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.tell(happened::recycle_asked{2}), (lines{"start 0.2"})) << "another does not wait for it";
}

TEST(plan_recycle, asked_for_ends_when_the_pool_stops) {
  story s(processes(1, 1, for_ever));
  s.serving(1);
  s.tell(happened::recycle_asked{1});
  EXPECT_EQ(s.tell(happened::stop_asked{s.now + 1s}),
            (lines{"recycle 1 over: stopped, 0 replaced, 0 leaving, 1 kept"}));
  EXPECT_EQ(s.tell(happened::recycle_asked{2}),
            (lines{"recycle 2 over: stopped, 0 replaced, 0 leaving, 2 kept"}));
}

TEST(plan_recycle, asked_for_in_a_pool_without_workers_is_done_at_once) {
  story s(processes(0, 2, for_ever));
  s.start();
  EXPECT_EQ(s.tell(happened::recycle_asked{1}),
            (lines{"recycle 1 over: all done, 0 replaced, 0 leaving, 0 kept"}));
}

}  // namespace
}  // namespace muster::engine::test
