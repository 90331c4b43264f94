// SPDX-License-Identifier: MIT
// What the plan makes of the rules of scaling: starts, ends, events, timers, bounds that change; and that no
// load makes a pool flap.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "kit/pools.hpp"
#include "story.hpp"

namespace muster::engine::test {
namespace {

plan_settings pool(int min, int max, scaling_options how = {}) {
  return {.min = min, .max = max, .idle_timeout = 1s, .grace = 100ms, .scaling = how};
}

happened::surveyed idle(const story& s, std::initializer_list<std::uint32_t> slots, duration for_so_long) {
  happened::surveyed seen;
  for (const std::uint32_t slot : slots) seen.idle.push_back({{slot, 1}, s.now - for_so_long});
  return seen;
}

TEST(plan_scaling, says_from_how_many_to_how_many_and_why) {
  story s(pool(1, 3));
  s.serving(1);
  s.decides.observe(happened::backlog{5}, s.now);
  bool said = false;
  while (const auto next = s.decides.next(s.now))
    if (const auto* a = std::get_if<todo::announce>(&*next); a != nullptr && a->kind == event_kind::scaled) {
      EXPECT_EQ(a->sizes, (std::pair{1, 3}));
      EXPECT_EQ(a->text, "from 1 to 3 workers: 5 tasks wait and none is free");
      said = true;
    }
  EXPECT_TRUE(said);
  EXPECT_EQ(s.decides.wanted(), 3);
}

TEST(plan_scaling, few_free_workers_are_looked_at_again_and_then_bring_more) {
  story s(pool(2, 10, {.up_at = 0.8, .check_every = 500ms}));
  s.serving(2);
  EXPECT_EQ(s.decides.listens_for().spare, 0);
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.tell(happened::backlog{0, 0}), lines{});
  EXPECT_EQ(s.pass(500ms), (lines{"500 survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{}), (lines{"say scaled", "start 2.1"})) << "nobody is idle";
  EXPECT_EQ(s.decides.wanted(), 3);
}

TEST(plan_scaling, those_that_are_never_chosen_count_neither_as_busy_nor_as_free) {
  plan_settings how = pool(2, 10, {.queue_per_worker = 5, .up_at = 0.4, .check_every = 500ms});
  how.never_chosen = {0};
  story s(how);
  s.serving(2);
  EXPECT_EQ(s.decides.listens_for().queued, 5U) << "for one worker";
  EXPECT_EQ(s.tell(happened::backlog{0, 1}), lines{});
  EXPECT_FALSE(s.has_timer()) << "the other one is free";
  EXPECT_EQ(s.tell(happened::backlog{6, 0}), (lines{"say scaled", "start 2.1"}));
}

TEST(plan_scaling, where_only_those_are_up_that_are_never_chosen_a_task_brings_a_worker_at_once) {
  plan_settings how = pool(1, 3, {.queue_per_worker = 5});
  how.never_chosen = {0};
  story s(how);
  s.serving(1);
  EXPECT_EQ(s.decides.listens_for().queued, 0U);
  EXPECT_EQ(s.tell(happened::backlog{1, 0}), (lines{"say scaled", "start 1.1"}));
  EXPECT_EQ(s.tell(happened::backlog{5, 0}), lines{});
}

TEST(plan_scaling, one_that_is_never_chosen_and_comes_for_another_counts_once) {
  plan_settings how = pool(3, 10, {.queue_per_worker = 5});
  how.never_chosen = {3};
  story s(how);
  s.serving(3);
  EXPECT_EQ(s.decides.listens_for().queued, 15U);
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .slot = 1}), (lines{"start 3.1"}));
  EXPECT_EQ(s.decides.listens_for().queued, 15U) << "worker 1 is there";
}

TEST(plan_scaling, one_that_is_never_chosen_and_leaves_is_not_counted_out_again) {
  plan_settings how = pool(1, 10, {.queue_per_worker = 5});
  how.never_chosen = {1};
  story s(how);
  s.serving(1);
  s.tell(happened::backlog{11});
  s.ready(1);
  s.ready(2);
  EXPECT_EQ(s.decides.listens_for().queued, 10U) << "workers 0 and 2";
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {1}, 1s)), (lines{"retire 1.1", "say scaled"}));
  EXPECT_EQ(s.decides.listens_for().queued, 10U);
}

TEST(plan_scaling, few_free_workers_for_a_moment_are_forgotten) {
  story s(pool(2, 10, {.up_at = 0.8, .check_every = 500ms}));
  s.serving(2);
  s.tell(happened::backlog{0, 0});
  EXPECT_EQ(s.pass(500ms), (lines{"500 survey"}));
  EXPECT_EQ(s.tell(idle(s, {1}, 100ms)), lines{});
  EXPECT_FALSE(s.has_timer()) << "a pool at its minimum has none";
}

TEST(plan_scaling, an_idle_worker_that_the_strategy_leaves_out_takes_nothing_that_waits) {
  story s(pool(1, 2, {.waiting_time = 200ms}));
  s.serving(1);
  EXPECT_EQ(s.tell(happened::backlog{.queued = 1, .free = 0, .next = 1, .newest = 1}), lines{});
  EXPECT_EQ(s.pass(200ms), (lines{"200 survey"}));
  auto seen = idle(s, {0}, 200ms);
  seen.queued = seen.next = seen.newest = 1;
  seen.free = 0;
  EXPECT_EQ(s.tell(seen), (lines{"say scaled", "start 1.1"}));
}

TEST(plan_scaling, starts_beyond_the_rate_come_later_and_the_first_ones_are_not_counted) {
  story s(pool(3, 10, {.starts_per_second = 2}));
  EXPECT_EQ(s.start(), (lines{"start 0.1", "start 1.1", "start 2.1"}));
  for (std::uint32_t i = 0; i < 3; ++i) s.ready(i);
  EXPECT_EQ(s.tell(happened::backlog{5}), (lines{"say scaled", "start 3.1", "start 4.1"}));
  EXPECT_EQ(s.pass(1s), (lines{"500 start 5.1", "1000 survey", "1000 start 6.1"}));
}

TEST(plan_scaling, one_that_is_young_is_not_let_go) {
  story s(pool(0, 2, {.least_life = 3s}));
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {0}, 1s)), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"2000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {0}, 2s)), lines{});
  EXPECT_EQ(s.pass(1s), (lines{"3000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {0}, 3s)), (lines{"retire 0.1", "say scaled"}));
}

TEST(plan_scaling, an_older_generation_that_was_idle_lets_nobody_go) {
  story s(pool(1, 2));
  s.serving(1);
  s.tell(happened::backlog{1});
  s.ready(1);
  s.ended(1, 1, true);
  s.ready(1, 2);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {1}, 1s)), lines{});
}

TEST(plan_scaling, with_down_at_a_quiet_pool_is_let_go_however_its_tasks_go_round) {
  story s(pool(1, 4, {.down_at = 0.3, .check_every = 200ms}));
  s.start();
  s.ready(0);
  s.tell(happened::backlog{3});
  for (const std::uint32_t slot : {1u, 2u, 3u}) s.ready(slot);
  lines said;
  for (int i = 0; i < 12; ++i) {  // one is busy at each look, in turn, so none is idle for long
    for (const auto& line : s.pass(200ms)) said.push_back(line);
    const auto busy = static_cast<std::uint32_t>(i % 4);
    happened::surveyed seen;
    for (std::uint32_t slot = 0; slot < 4; ++slot)
      if (slot != busy) seen.idle.push_back({{slot, 1}, s.now - 100ms});
    for (const auto& line : s.tell(seen)) said.push_back(line);
  }
  EXPECT_EQ(std::ranges::count_if(said, [](const std::string& l) { return l.starts_with("retire"); }), 2)
      << "1 of 2 is above 0.3, and 1 of 1.54 the middle between 0.3 and all";
}

// -----------------------------------------------------------------------------------------------------------
// told to

TEST(plan_scaling, a_resize_that_grows_starts_at_once) {
  story s(pool(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::resize_asked{4, 4}), (lines{"say scaled", "start 2.1", "start 3.1"}));
  EXPECT_EQ(s.decides.min(), 4);
  EXPECT_EQ(s.decides.max(), 4);
}

TEST(plan_scaling, a_resize_that_shrinks_ends_idle_ones_first_and_then_busy_ones) {
  story s(pool(5, 5));
  s.serving(5);
  EXPECT_EQ(s.tell(happened::resize_asked{2, 2}), (lines{"say scaled", "survey"}));
  EXPECT_EQ(s.tell(idle(s, {0, 3}, 10ms)), (lines{"retire 0.1", "retire 3.1", "retire 4.1"}));
  EXPECT_FALSE(s.has_timer());
  EXPECT_EQ(s.ended(0), lines{});
}

TEST(plan_scaling, a_surplus_that_an_exchange_has_hidden_at_a_resize_is_let_go_after_it) {
  story s(pool(2, 4));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .at_once = 2}), (lines{"start 2.1", "start 3.1"}));
  s.tell(happened::resize_asked{0, 1});
  s.tell(idle(s, {0, 1}, 10ms));
  s.ready(2);
  s.ready(3);
  s.ended(0);
  const lines at_last = s.ended(1);
  EXPECT_EQ(std::ranges::count(at_last, "survey"), 1);
  EXPECT_EQ(s.tell(idle(s, {2, 3}, 10ms)), (lines{"retire 2.1"}));
}

TEST(plan_scaling, a_resize_before_the_start_is_what_starts) {
  story s(pool(1, 1));
  EXPECT_EQ(s.tell(happened::resize_asked{3, 3}), lines{});
  EXPECT_EQ(s.start(), (lines{"start 0.1", "start 1.1", "start 2.1"}));
}

TEST(plan_scaling, a_resize_leaves_one_to_work_for_those_that_wait_for_their_own_pool) {
  story s(pool(3, 3));
  s.serving(3);
  s.tell(happened::resize_asked{1, 1});
  happened::surveyed seen;
  seen.blocked = 1;
  EXPECT_EQ(s.tell(seen), (lines{"retire 2.1"})) << "the blocked one, and one to do what it waits for";
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{}), (lines{"retire 1.1"}));
}

TEST(plan_scaling, a_resize_to_other_bounds_keeps_what_lies_between_them) {
  story s(pool(0, 8));
  s.start();
  s.tell(happened::backlog{4});
  for (std::uint32_t slot = 0; slot < 4; ++slot) s.ready(slot);
  EXPECT_EQ(s.tell(happened::resize_asked{2, 6}), lines{});
  EXPECT_EQ(s.decides.wanted(), 4);
}

TEST(plan_scaling, a_task_that_blocks_allows_one_more_and_takes_it_back) {
  story s(pool(1, 1));
  s.serving(1);
  EXPECT_FALSE(s.decides.may_grow());
  EXPECT_EQ(s.tell(happened::blocking_changed{1}), lines{}) << "only when a task waits";
  EXPECT_TRUE(s.decides.may_grow());
  EXPECT_EQ(s.tell(happened::backlog{3}), (lines{"say scaled", "start 1.1"}));
  s.ready(1);
  EXPECT_EQ(s.tell(happened::blocking_changed{-1}), (lines{"say scaled", "survey"}));
  EXPECT_EQ(s.tell(idle(s, {1}, 0s)), (lines{"retire 1.1"}));
}

TEST(plan_scaling, however_many_tasks_block_there_are_at_most_twice_as_many) {
  story s(pool(2, 2));
  s.serving(2);
  for (int i = 0; i < 7; ++i) s.tell(happened::blocking_changed{1});
  s.tell(happened::backlog{100});
  EXPECT_EQ(s.decides.live(), 4);
}

// T45: what arrives while its worker ends does not wait for one that hangs at its end.
TEST(plan_scaling, a_task_that_finds_only_a_leaving_worker_waits_no_longer_than_the_grace) {
  plan_settings chosen = pool(0, 1);
  chosen.can_kill = true;
  chosen.ready_timeout = 30s;
  story s(chosen);
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  EXPECT_EQ(s.pass(1s), (lines{"1000 survey"}));
  EXPECT_EQ(s.tell(idle(s, {0}, 1s)), (lines{"retire 0.1", "say scaled"}));
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled"}));
  EXPECT_EQ(s.pass(100ms), (lines{"1100 kill 0.1 stopped unless busy"}));
  EXPECT_EQ(s.ended(0, 1, true), (lines{"start 0.2"}));
}

TEST(plan_scaling, a_leaving_worker_that_was_signalled_keeps_its_time_when_a_task_comes) {
  plan_settings chosen = pool(0, 1);
  chosen.can_kill = true;
  chosen.ready_timeout = 30s;
  chosen.stop = {{.signal = SIGTERM, .patience = 10s}};
  story s(chosen);
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.pass(1s);
  EXPECT_EQ(s.tell(idle(s, {0}, 1s)), (lines{"retire 0.1", "say scaled"}));
  EXPECT_EQ(s.pass(30s), (lines{"31000 signal 15 to 0.1 unless busy"}));
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled"}));
  EXPECT_EQ(s.pass(10s), (lines{"41000 kill 0.1 stopped unless busy"}));
}

TEST(plan_scaling, a_leaving_worker_that_is_due_soon_gets_no_more_time_when_a_task_comes) {
  plan_settings chosen = pool(0, 1);
  chosen.can_kill = true;
  chosen.ready_timeout = 30s;
  story s(chosen);
  s.start();
  s.tell(happened::backlog{1});
  s.ready(0);
  s.pass(1s);
  s.tell(idle(s, {0}, 1s));
  EXPECT_EQ(s.pass(29'950ms), lines{});
  EXPECT_EQ(s.tell(happened::backlog{1}), (lines{"say scaled"}));
  EXPECT_EQ(s.pass(1s), (lines{"31000 kill 0.1 stopped unless busy"})) << "not 100 ms after the task";
}

// -----------------------------------------------------------------------------------------------------------
// loads

// A pool in virtual time under a load of so many tasks at once. Workers come up in 20 ms; a task keeps its
// worker.
class town {
public:
  explicit town(const plan_settings& settings) : s_(settings), min_(settings.min) {
    act(happened::start_asked{});
    while (up() < min_) step(0);
  }
  void step(int load) {
    s_.now += 10ms;
    for (auto& [slot, w] : workers_)
      if (w.ready_at <= s_.now && !std::exchange(w.up, true))
        act(happened::worker_ready{{slot, w.generation}});
    int busy = 0;
    for (auto& [slot, w] : workers_) {
      if (!w.up || w.leaves) continue;
      const bool works = busy < load;
      busy += works ? 1 : 0;
      if (w.busy && !works) w.idle_since = s_.now;
      w.busy = works;
    }
    waits_ = load - busy;
    const auto signal = s_.decides.listens_for();
    const int free = up() - busy;
    if (s_.decides.may_grow() && !signal.deaf() &&
        ((waits_ > 0 && static_cast<std::size_t>(waits_) > signal.queued) || free <= signal.spare))
      act(happened::backlog{static_cast<std::size_t>(waits_), free});
    if (s_.decides.wake_at() <= s_.now) answers();
    for (auto at = workers_.begin(); at != workers_.end();)
      if (at->second.leaves && !at->second.busy) {
        const worker_id gone{at->first, at->second.generation};
        at = workers_.erase(at);
        act(happened::worker_ended{gone, true});
      } else {
        ++at;
      }
  }
  [[nodiscard]] int up() const {
    return static_cast<int>(
        std::ranges::count_if(workers_, [](const auto& w) { return w.second.up && !w.second.leaves; }));
  }
  int starts = 0, most = 0, fewest = 1'000, changes = 0;
  duration closest_turn = 1h;  // from a change to the next the other way
  [[nodiscard]] time_point now() const { return s_.now; }

private:
  struct worker {
    std::uint32_t generation = 0;
    time_point ready_at{}, idle_since{};
    bool up = false, busy = false, leaves = false;
  };
  void act(const occurrence& what) {
    s_.decides.observe(what, s_.now);
    answers();
  }
  void answers() {
    while (const auto next = s_.decides.next(s_.now)) {
      if (const auto* t = std::get_if<todo::start_worker>(&*next)) {
        workers_[t->worker.slot] = {t->worker.generation, s_.now + 20ms, s_.now + 20ms};
        ++starts;
      } else if (const auto* r = std::get_if<todo::retire_worker>(&*next)) {
        EXPECT_FALSE(workers_[r->worker.slot].busy) << "a busy worker is never let go";
        workers_[r->worker.slot].leaves = true;
      } else if (const auto* a = std::get_if<todo::announce>(&*next)) {
        if (a->kind == event_kind::scaled) note(a->sizes.second - a->sizes.first);
      } else if (std::holds_alternative<todo::survey_workers>(*next)) {
        happened::surveyed seen;
        for (const auto& [slot, w] : workers_)
          if (w.up && !w.busy && !w.leaves) seen.idle.push_back({{slot, w.generation}, w.idle_since});
        seen.queued = static_cast<std::size_t>(waits_);
        s_.decides.observe(seen, s_.now);
      }
    }
    most = std::max(most, static_cast<int>(workers_.size()));
    if (s_.decides.ready_once()) fewest = std::min(fewest, up());
  }
  void note(int by) {
    ++changes;
    if (last_ != 0 && (by > 0) != (last_ > 0)) closest_turn = std::min(closest_turn, s_.now - last_at_);
    last_ = by;
    last_at_ = s_.now;
  }

  story s_;
  int min_;
  std::map<std::uint32_t, worker> workers_;
  int waits_ = 0, last_ = 0;
  time_point last_at_{};
};

scaling_options drawn_scaling(base::random& dice) {
  scaling_options how;
  if (dice.below(2) == 0) how.up_at = 0.5 + dice.fraction() * 0.45;
  if (dice.below(2) == 0) how.down_at = 0.05 + dice.fraction() * 0.4;
  if (dice.below(3) == 0) how.queue_per_worker = 0.5 + dice.fraction() * 3;
  if (dice.below(2) == 0) how.cool_down = std::chrono::milliseconds(dice.below(2'000));
  if (dice.below(2) == 0) how.least_life = std::chrono::milliseconds(dice.below(4'000));
  if (dice.below(3) == 0) how.starts_per_second = 0.5 + dice.fraction() * 8;
  how.check_every = std::chrono::milliseconds(20 + dice.below(500));
  return how;
}

// A square wave, a fast oscillation, a random walk, or noise.
int load_at(int kind, int tick, int high, int period, int before, base::random& dice) {
  switch (kind) {
    case 0: return tick / period % 2 == 0 ? high : 0;
    case 1: return tick % 2 == 0 ? high : high / 2;
    case 2: return std::clamp(before + static_cast<int>(dice.below(3)) - 1, 0, high);
    default: return static_cast<int>(dice.below(static_cast<std::uint64_t>(high) + 1));
  }
}

// The bound: there are max places, and whoever takes one keeps it for so long.
TEST(plan_scaling, no_load_makes_a_pool_flap) {
  const std::uint64_t seed = muster::test::seed_of_test();
  base::random dice(seed);
  for (int trace = 0; trace < 1'000; ++trace) {
    SCOPED_TRACE("trace " + std::to_string(trace) + " of seed " + std::to_string(seed));
    const int min = static_cast<int>(dice.below(4)),
              max = std::max(1, min + static_cast<int>(dice.below(10)));
    plan_settings chosen = pool(min, max, drawn_scaling(dice));
    chosen.idle_timeout = std::chrono::milliseconds(100 + dice.below(1'500));
    town t(chosen);
    const time_point began = t.now();
    const int kind = static_cast<int>(dice.below(4)), high = 1 + static_cast<int>(dice.below(15)),
              period = 1 + static_cast<int>(dice.below(200));
    for (int tick = 0, load = 0; tick < 600; ++tick) {
      load = load_at(kind, tick, high, period, load, dice);
      t.step(load);
    }
    const duration kept = std::max(chosen.idle_timeout, chosen.scaling.least_life), took = t.now() - began;
    EXPECT_LE(t.starts, max * (1 + took / kept));
    if (const auto rate = chosen.scaling.starts_per_second) {
      EXPECT_LE(t.starts,
                min + std::max(1.0, *rate) + 1 + *rate * std::chrono::duration<double>(took).count());
    }
    EXPECT_LE(t.most, max);
    EXPECT_GE(t.fewest, min);
    if (min > 0) {
      EXPECT_GE(t.closest_turn, chosen.scaling.cool_down);
    }
    if (HasFailure()) return;
  }
}

TEST(plan_scaling, a_constant_load_comes_to_rest) {
  const std::uint64_t seed = muster::test::seed_of_test();
  base::random dice(seed);
  for (int trace = 0; trace < 100; ++trace) {
    SCOPED_TRACE("trace " + std::to_string(trace) + " of seed " + std::to_string(seed));
    scaling_options how = drawn_scaling(dice);
    const int min = static_cast<int>(dice.below(4)), max = 8;
    const int load = static_cast<int>(dice.below(9));
    town t(pool(min, max, how));
    for (int tick = 0; tick < 2'500; ++tick) t.step(load);
    const int before = t.changes;
    for (int tick = 0; tick < 2'000; ++tick) t.step(load);
    EXPECT_EQ(t.changes, before) << load << " tasks, all the time";
    if (!how.queue_per_worker) {
      EXPECT_GE(t.up(), std::min(load, max));
    }
    if (HasFailure()) return;
  }
}

TEST(plan_scaling, a_resize_that_shrinks_reaches_the_first_slot_where_the_others_are_being_replaced) {
  story s(pool(2, 2));
  s.serving(2);
  EXPECT_EQ(s.tell(happened::recycle_asked{.call = 1, .slot = 1}), (lines{"start 2.1"}));
  EXPECT_EQ(s.tell(happened::resize_asked{1, 1}), (lines{"say scaled", "survey"}));
  EXPECT_EQ(s.tell(happened::surveyed{}), (lines{"retire 0.1"}));
}

TEST(plan_scaling, at_the_minimum_nobody_is_looked_at_again) {
  story s(pool(1, 2));
  s.serving(1);
  s.tell(idle(s, {0}, 0ms));
  EXPECT_FALSE(s.has_timer());
}

TEST(plan_scaling, each_worker_that_leaves_is_hurried) {
  plan_settings chosen = pool(0, 2);
  chosen.can_kill = true;
  chosen.ready_timeout = 30s;
  story s(chosen);
  s.start();
  s.tell(happened::backlog{2});
  s.ready(0);
  s.ready(1);
  s.pass(1s);
  EXPECT_EQ(s.tell(idle(s, {0, 1}, 1s)), (lines{"retire 0.1", "retire 1.1", "say scaled"}));
  EXPECT_EQ(s.tell(happened::backlog{2}), (lines{"say scaled"}));
  EXPECT_EQ(s.pass(100ms), (lines{"1100 kill 0.1 stopped unless busy", "1100 kill 1.1 stopped unless busy"}));
}

}  // namespace
}  // namespace muster::engine::test
