// SPDX-License-Identifier: MIT
// When a pool grows and shrinks, rule by rule. What the plan makes of it is in
// unit/engine/plan_scaling_test.cpp.
#include "policy/scaler.hpp"

#include <gtest/gtest.h>

#include "policy/pace.hpp"

namespace muster::policy {
namespace {

using namespace std::chrono_literals;
constexpr base::time_point start{1h};

int grown(scaler& s, const crowd_seen& seen, base::time_point now = start, int max = 10) {
  const auto decided = s.grow(seen, max, now);
  return decided ? decided->to : seen.staying;
}
int shrunk(scaler& s, const crowd_seen& seen, int may_go, base::time_point now = start, int min = 1) {
  const auto decided = s.shrink(seen, may_go, min, now);
  return decided ? decided->to : seen.staying;
}
crowd_seen crowd(int workers, int busy, std::size_t queued = 0) {
  return {.staying = workers, .up = workers, .busy = busy, .queued = queued};
}

TEST(scaler, by_default_brings_one_worker_for_each_task_that_waits_for_one) {
  scaler s({}, 10s);
  EXPECT_EQ(grown(s, crowd(2, 2, 3)), 5);
  EXPECT_EQ(grown(s, crowd(2, 2, 100)), 10);
  EXPECT_EQ(grown(s, crowd(0, 0, 1)), 1);
  EXPECT_EQ(grown(s, crowd(2, 1, 3)), 2) << "somebody is free";
  EXPECT_EQ(grown(s, crowd(2, 2, 0)), 2);
  EXPECT_EQ(grown(s, crowd(10, 10, 9)), 10);
  EXPECT_EQ(grown(s, {.staying = 5, .up = 2, .busy = 2, .queued = 3}), 5) << "they are on their way";
  EXPECT_EQ(s.grow_again(), base::never);
}

TEST(scaler, by_the_queue_grows_above_the_threshold_until_it_is_met) {
  scaler s({.queue_per_worker = 2}, 10s);
  EXPECT_EQ(grown(s, crowd(2, 2, 4)), 2);
  EXPECT_EQ(grown(s, crowd(2, 2, 5)), 3);
  EXPECT_EQ(grown(s, crowd(2, 2, 11)), 6);
  EXPECT_EQ(grown(s, crowd(0, 0, 1)), 1) << "the first task does not wait for a second";
  EXPECT_EQ(s.listen(3).queued, 6u);
  EXPECT_EQ(s.listen(0).queued, 0u);
}

TEST(scaler, by_the_wait_grows_when_one_task_has_waited_that_long_and_not_before) {
  scaler s({.waiting_time = 100ms}, 10s);
  crowd_seen seen = crowd(2, 2, 3);
  seen.next = 7;
  seen.newest = 9;
  EXPECT_EQ(grown(s, seen), 2);
  EXPECT_EQ(s.grow_again(), start + 100ms);
  EXPECT_TRUE(s.listen(2).deaf()) << "it comes back by itself";
  seen.newest = 40;
  EXPECT_EQ(grown(s, seen, start + 99ms), 2);
  seen.next = 9;
  EXPECT_EQ(grown(s, seen, start + 100ms), 5) << "number 9 was there at the mark";
}

TEST(scaler, by_the_wait_does_not_mind_a_queue_that_moves) {
  scaler s({.waiting_time = 100ms}, 10s);
  crowd_seen seen = crowd(2, 2, 3);
  for (int i = 0; i < 50; ++i) {  // never empty, and each waits for 60 ms
    seen.next = static_cast<std::uint64_t>(3 * i + 1);
    seen.newest = seen.next + 2;
    EXPECT_EQ(grown(s, seen, start + i * 60ms), 2) << i;
  }
  EXPECT_EQ(grown(s, crowd(2, 2, 0), start + 1h), 2);
  EXPECT_EQ(s.grow_again(), base::never);
}

TEST(scaler, by_the_busy_part_grows_when_it_is_exceeded_at_two_looks) {
  scaler s({.up_at = 0.8, .check_every = 1s}, 10s);
  EXPECT_EQ(grown(s, crowd(10, 8), start, 20), 10) << "0.8 is not more";
  EXPECT_EQ(s.grow_again(), base::never);
  EXPECT_EQ(grown(s, crowd(10, 9), start, 20), 10) << "it may be a moment's chance";
  EXPECT_EQ(s.grow_again(), start + 1s);
  EXPECT_EQ(grown(s, crowd(10, 9), start + 1s, 20), 12) << "9 of 12 are no more than 0.8";
  EXPECT_EQ(grown(s, crowd(2, 2, 4), start + 2s, 20), 6) << "what waits is not left to it";
}

TEST(scaler, by_the_busy_part_forgets_what_was_when_a_look_is_below) {
  scaler s({.up_at = 0.8, .check_every = 1s}, 10s);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(grown(s, crowd(10, i % 2 == 0 ? 10 : 8), start + i * 700ms, 20), 10) << i;
}

TEST(scaler, listens_for_so_few_free_workers_as_up_at_means) {
  scaler s({.up_at = 0.8}, 10s);
  EXPECT_EQ(s.listen(10).spare, 1) << "9 of 10 busy";
  EXPECT_EQ(s.listen(2).spare, 0);
  EXPECT_EQ(s.listen(1).spare, 0);
  EXPECT_EQ(s.listen(0).spare, -1);
  EXPECT_EQ(scaler({}, 10s).listen(10).spare, -1);
}

TEST(scaler, listens_for_no_free_workers_between_two_looks_at_the_busy_part) {
  scaler s({.up_at = 0.8, .check_every = 1s}, 10s);
  EXPECT_EQ(grown(s, crowd(10, 9), start, 20), 10);
  EXPECT_EQ(s.listen(10).spare, -1) << "it comes back by itself";
  EXPECT_EQ(grown(s, crowd(10, 8), start + 1s, 20), 10);
  EXPECT_EQ(s.listen(10).spare, 1);
}

TEST(scaler, lets_idle_workers_go_down_to_the_minimum) {
  scaler s({}, 10s);
  EXPECT_EQ(shrunk(s, crowd(5, 1), 3), 2);
  EXPECT_EQ(shrunk(s, crowd(5, 0), 5), 1);
  EXPECT_EQ(shrunk(s, crowd(5, 5), 0), 5);
}

// T48: an empty queue is no reason to let go of workers that are busy.
TEST(scaler, keeps_busy_workers_though_nothing_waits) {
  scaler plain({}, 10s), parts({.up_at = 0.8, .down_at = 0.2}, 1s);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(shrunk(plain, crowd(8, 8), 0, start + i * 1s), 8);
    EXPECT_EQ(shrunk(parts, crowd(8, 8), 0, start + i * 1s), 8);
  }
}

TEST(scaler, with_down_at_lets_go_after_a_quiet_time_and_to_the_middle_of_the_band) {
  scaler s({.up_at = 0.8, .down_at = 0.2}, 10s);
  EXPECT_EQ(shrunk(s, crowd(10, 2), 8), 10) << "0.2 is not less";
  EXPECT_EQ(shrunk(s, crowd(10, 1), 9), 10);
  EXPECT_EQ(s.shrink_again(), start + 10s);
  EXPECT_EQ(shrunk(s, crowd(10, 3), 7, start + 5s), 10) << "not quiet any more";
  EXPECT_EQ(shrunk(s, crowd(10, 1), 9, start + 6s), 10);
  EXPECT_EQ(shrunk(s, crowd(10, 1), 9, start + 15s), 10);
  EXPECT_EQ(shrunk(s, crowd(10, 1), 9, start + 16s), 2) << "1 of 2 is half: between 0.2 and 0.8";
}

// T7: what one rule does the other does not undo.
TEST(scaler, never_goes_to_and_fro_under_a_constant_load) {
  for (int busy = 0; busy <= 12; ++busy)
    for (int workers = 1; workers <= 12; ++workers)
      for (const double up : {0.5, 0.8, 0.95})
        for (const double down : {0.0, 0.1, 0.2, 0.45}) {
          scaling_options how{.up_at = up};
          if (down > 0) how.down_at = down;
          scaler s(how, 1s);
          int now_there = workers, turns = 0, direction = 0;
          for (int look = 0; look < 40; ++look) {
            const auto at = start + look * 1s;
            const int working = std::min(busy, now_there);
            const auto waits = static_cast<std::size_t>(busy - working);
            int to = grown(s, crowd(now_there, working, waits), at, 12);
            if (to == now_there) to = shrunk(s, crowd(now_there, working, waits), now_there - working, at);
            if (to != now_there && direction != 0 && (to > now_there) != (direction > 0)) ++turns;
            if (to != now_there) direction = to > now_there ? 1 : -1;
            now_there = to;
          }
          EXPECT_LE(turns, 1) << busy << " busy, from " << workers << ", up " << up << ", down " << down;
          EXPECT_GE(now_there, std::min(busy, 12));
        }
}

TEST(scaler, waits_for_the_cool_down_before_it_turns_round_but_not_for_the_first_worker) {
  scaler s({.cool_down = 5s}, 1s);
  EXPECT_EQ(grown(s, crowd(2, 2, 2)), 4);
  EXPECT_EQ(grown(s, crowd(4, 4, 2), start + 1s), 6) << "further up is no turn";
  EXPECT_EQ(shrunk(s, crowd(6, 0), 6, start + 5s), 6);
  EXPECT_EQ(s.shrink_again(), start + 6s);
  EXPECT_EQ(shrunk(s, crowd(6, 2), 4, start + 6s), 2);
  EXPECT_EQ(shrunk(s, crowd(2, 1), 1, start + 7s), 1);
  EXPECT_EQ(grown(s, crowd(1, 1, 3), start + 8s), 1);
  EXPECT_EQ(s.grow_again(), start + 12s);
  EXPECT_TRUE(s.listen(1).deaf());
  EXPECT_EQ(grown(s, crowd(0, 0, 3), start + 8s), 3) << "with no worker nothing would ever be done";
}

TEST(pace, allows_a_burst_and_then_so_many_a_second) {
  pace p(2, 3);
  base::time_point now = start;
  int started = 0;
  const auto start_all = [&] {
    while (p.next() <= now) {
      p.start(now);
      ++started;
    }
  };
  start_all();
  EXPECT_EQ(started, 3);
  EXPECT_EQ(p.next(), start + 500ms);
  for (int i = 0; i < 100; ++i) {
    now += 100ms;
    start_all();
  }
  EXPECT_EQ(started, 23);
  now += 1h;
  start_all();
  EXPECT_EQ(started, 26) << "no more than the burst is saved";
}

TEST(scaler, by_the_wait_listens_for_the_first_that_waits_and_then_for_nobody) {
  scaler s({.waiting_time = 100ms}, 10s);
  EXPECT_EQ(s.listen(2).queued, 0u);
  crowd_seen seen = crowd(2, 2, 3);
  seen.next = 1;
  seen.newest = 3;
  EXPECT_EQ(grown(s, seen), 2);
  EXPECT_EQ(s.listen(2).queued, growth_signal::none);
  EXPECT_EQ(grown(s, crowd(2, 0), start + 1s), 2);
  EXPECT_EQ(s.listen(2).queued, 0u) << "all have gone";
}

TEST(scaler, by_the_busy_part_looks_twice_again_after_it_has_grown) {
  scaler s({.up_at = 0.8, .check_every = 1s}, 10s);
  EXPECT_EQ(grown(s, crowd(10, 9), start, 20), 10);
  EXPECT_EQ(grown(s, crowd(10, 9), start + 1s, 20), 12);
  EXPECT_EQ(s.grow_again(), base::never);
  EXPECT_EQ(grown(s, crowd(12, 12), start + 2s, 20), 12) << "the first look at twelve";
  EXPECT_EQ(grown(s, crowd(12, 12), start + 3s, 20), 15);
}

TEST(scaler, is_deaf_only_where_nothing_would_be_heard) {
  EXPECT_TRUE((growth_signal{growth_signal::none, -1}).deaf());
  EXPECT_FALSE((growth_signal{growth_signal::none, 0}).deaf());
  EXPECT_FALSE((growth_signal{0, -1}).deaf());
}

}  // namespace
}  // namespace muster::policy
