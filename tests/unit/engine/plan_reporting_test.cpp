// SPDX-License-Identifier: MIT
// Reports at a steady pace, and the warning that the queue is backing up. In virtual time.
#include <gtest/gtest.h>

#include <algorithm>

#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings reporting(int workers, std::optional<unsigned> backing_up_at = 5) {
  return {
      .min = workers, .max = workers, .report = report_settings{.every = 5s, .backing_up_at = backing_up_at}};
}

std::ptrdiff_t reports_in(const lines& said) {
  return std::ranges::count_if(said, [](const std::string& line) { return line.ends_with(" report"); });
}

TEST(plan_reporting, comes_at_a_steady_pace_from_the_start) {
  story s(reporting(1));
  s.serving(1);
  EXPECT_EQ(s.pass(16s), (lines{"5000 report", "10000 report", "15000 report"}));
}

TEST(plan_reporting, keeps_its_pace_when_the_loop_is_late_and_makes_up_for_nothing) {
  story s(reporting(1));
  s.serving(1);
  s.now += 23s;
  EXPECT_EQ(s.answers(), lines{"report"});
  EXPECT_EQ(s.pass(12s), (lines{"28000 report", "33000 report"}));
}

TEST(plan_reporting, that_is_off_has_no_timer) {
  story s({.min = 2, .max = 2});
  s.serving(2);
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_reporting, goes_on_while_the_pool_drains_and_ends_with_it) {
  plan_settings settings = reporting(1);
  settings.can_kill = true;
  story s(settings);
  s.serving(1);
  s.tell(happened::stop_asked{s.now + 20s});
  EXPECT_EQ(reports_in(s.pass(6s)), 1);
  s.tell(happened::drained{});
  s.ended(0);
  EXPECT_TRUE(s.decides.finished());
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_reporting, warns_once_when_the_queue_is_longer_than_five_for_each_worker) {
  story s(reporting(2));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::reported{10}), lines{});
  EXPECT_EQ(s.tell(happened::reported{11}), lines{"say backing_up"});
  EXPECT_EQ(s.tell(happened::reported{1'000}), lines{});
  EXPECT_EQ(s.tell(happened::reported{6}), lines{});  // it has not fallen to half
  EXPECT_EQ(s.tell(happened::reported{11}), lines{});
  EXPECT_EQ(s.tell(happened::reported{5}), lines{});
  EXPECT_EQ(s.tell(happened::reported{11}), lines{"say backing_up"});
}

TEST(plan_reporting, warns_of_nothing_where_that_is_not_wanted_or_the_pool_has_ended) {
  story quiet(reporting(1, std::nullopt));
  quiet.serving(1);
  EXPECT_EQ(quiet.tell(happened::reported{1'000'000}), lines{});
  story gone(reporting(1));
  gone.serving(1);
  gone.tell(happened::stop_asked{gone.now, true});
  gone.tell(happened::drained{});
  EXPECT_EQ(gone.tell(happened::reported{1'000'000}), lines{});
}

TEST(plan_reporting, counts_a_queue_without_workers_as_for_one) {
  story s({.min = 0, .max = 4, .report = report_settings{.every = 5s, .backing_up_at = 5}});
  s.start();
  EXPECT_EQ(s.tell(happened::reported{5}), lines{});
  EXPECT_EQ(s.tell(happened::reported{6}), lines{"say backing_up"});
}

// Each recycle of a worker leaves as many timers as there were, whatever the pool does beside.
TEST(plan_reporting, and_a_thousand_recycles_leave_no_timer_behind) {
  plan_settings settings = reporting(1);
  settings.health.interval = 3s;
  settings.can_kill = true;
  settings.ready_timeout = 10s;
  story s(settings);
  s.serving(1);
  worker_id present{0, 1};
  for (std::uint64_t call = 1; call <= 1'000; ++call) {
    const lines said = s.tell(happened::recycle_asked{.call = call});
    ASSERT_EQ(said.size(), 1U);
    const auto slot = static_cast<std::uint32_t>(1 - present.slot);
    const auto generation = static_cast<std::uint32_t>((call + 1) / 2 + (slot == 0 ? 1 : 0));
    ASSERT_EQ(said[0], "start " + std::to_string(slot) + "." + std::to_string(generation));
    s.ready(slot, generation);
    s.ended(present.slot, present.generation, true);
    present = {slot, generation};
  }
  // Those of the report and of the looks, and nothing else: five of the one and eight of the other in 25 s.
  const lines said = s.pass(25s);
  EXPECT_EQ(reports_in(said), 5);
  EXPECT_EQ(said.size(), 5U + 8U) << "the timers of workers that are gone are still there";
}

TEST(plan_reporting, says_how_many_tasks_wait_for_how_many_workers) {
  const auto said = [](int workers) {
    story s(reporting(workers));
    s.serving(workers);
    s.decides.observe(happened::reported{11}, s.now);
    std::string text;
    while (const auto next = s.decides.next(s.now))
      if (const auto* a = std::get_if<todo::announce>(&*next)) text = a->text;
    return text;
  };
  EXPECT_EQ(said(1), "the queue is backing up: 11 tasks wait for 1 worker");
  EXPECT_EQ(said(2), "the queue is backing up: 11 tasks wait for 2 workers");
}

}  // namespace
}  // namespace muster::engine::test
