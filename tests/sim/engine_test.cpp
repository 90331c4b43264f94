// SPDX-License-Identifier: MIT
// Single stories of the engine in virtual time, for what random worlds meet too seldom.
#include <gtest/gtest.h>

#include "one_pool.hpp"

namespace muster::sim {
namespace {

TEST(engine, a_retry_brings_a_worker_when_all_have_left_meanwhile) {
  engine::settings chosen;
  chosen.plan = {.min = 0, .max = 1, .idle_timeout = 10ms};
  chosen.retry = {
      .attempts = 2, .backoff = {.first = 1s, .max = 1s, .jitter = jitter::none}, .on_error = true};
  one_pool pool(chosen, false, {.takes = 1ms, .throws = true});
  const auto t = pool.submit();
  pool.pass(500ms);
  ASSERT_EQ(pool.crew->alive(), 0);
  ASSERT_EQ(pool.engine->snapshot().waiting, 1u);
  pool.pass(10s);
  EXPECT_TRUE(t->settled());
  EXPECT_EQ(t->attempt(), 2);
}

TEST(engine, a_worker_that_had_to_be_killed_to_stop_is_counted_once) {
  engine::settings chosen;
  chosen.plan = {.grace = 100ms, .ready_timeout = 1s, .can_kill = true};
  one_pool pool(chosen, true, {.takes = 1h});
  const auto t = pool.submit();
  pool.pass(50ms);
  pool.crew->worst({.ignores_stop = 1});
  pool.engine->begin_stop(pool.clock->at + 1s, false);
  pool.pass(10s);
  ASSERT_TRUE(pool.engine->finished());
  EXPECT_TRUE(t->settled());
  const stop_report report = pool.engine->conclude();
  EXPECT_TRUE(report.forced);
  EXPECT_EQ(report.cancelled, 1u);
  EXPECT_EQ(report.killed, 1u);
}

TEST(engine, a_worker_that_comes_up_while_the_pool_stops_leaves_again) {
  engine::settings chosen;
  chosen.plan = {.grace = 100ms, .ready_timeout = 1s, .can_kill = true};
  one_pool pool(chosen, true, {.takes = 1ms});
  pool.engine->begin_stop(pool.clock->at + 1s, false);
  pool.pass(10s);
  EXPECT_TRUE(pool.engine->finished());
  EXPECT_EQ(pool.met("ready late while stopping"), 1u);
  EXPECT_EQ(pool.crew->alive(), 0);
}

TEST(engine, workers_that_die_idle_again_and_again_are_started_with_growing_pauses) {
  engine::settings chosen;
  chosen.plan = {
      .grace = 100ms, .ready_timeout = 1s, .restart = {.first = 100ms, .max = 10s}, .can_kill = true};
  one_pool pool(chosen, true, {.takes = 1ms});
  pool.crew->worst({.dies_idle = 1});
  pool.pass(60s);
  const std::size_t in_a_minute = pool.engine->snapshot().workers_started;
  EXPECT_GE(in_a_minute, 5u);
  EXPECT_LE(in_a_minute, 30u) << "with the first pause each time it would be hundreds";
}

TEST(engine, a_task_that_ends_within_the_grace_of_a_stop_is_not_counted_as_cancelled) {
  engine::settings chosen;
  chosen.plan = {.grace = 100ms, .ready_timeout = 1s, .can_kill = true};
  one_pool pool(chosen, true, {.takes = 1h});
  const auto t = pool.submit();
  pool.pass(50ms);
  pool.engine->begin_stop(pool.clock->at + 1s, false);
  pool.pass(10s);  // told, it ends by itself within 20 ms, and well
  ASSERT_TRUE(pool.engine->finished());
  EXPECT_FALSE(t->error);
  EXPECT_EQ(pool.engine->conclude().cancelled, 0u);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 1u);
}

TEST(engine, lives_again_and_takes_nothing_along_but_its_counts) {
  engine::settings chosen;
  chosen.plan = {
      .min = 1, .max = 2, .idle_timeout = 10ms, .grace = 100ms, .ready_timeout = 1s, .can_kill = true};
  one_pool pool(chosen, true, {.takes = 1ms});
  for (std::size_t life = 1; life <= 50; ++life) {
    const auto a = pool.submit(), b = pool.submit();
    pool.pass(life % 3 == 0 ? duration::zero() : duration(20ms));
    EXPECT_EQ(pool.engine->state(), pool_state::started);
    pool.engine->begin_stop(pool.clock->at + 1s, life % 2 == 0);
    EXPECT_EQ(pool.engine->state(), pool_state::stopping);
    EXPECT_THROW(pool.submit(), pool_stopped);
    pool.pass(10s);
    ASSERT_TRUE(pool.engine->finished());
    (void)pool.engine->conclude();
    EXPECT_EQ(pool.engine->state(), pool_state::stopped);
    EXPECT_TRUE(a->settled() && b->settled());
    pool.engine->cancel_queued();  // whom no life hears of
    EXPECT_THROW(pool.submit(), pool_stopped);
    EXPECT_EQ(pool.crew->alive(), 0);
    const stats s = pool.engine->snapshot();
    EXPECT_EQ(s.submitted, 2 * life);
    EXPECT_EQ(s.succeeded + s.failed + s.cancelled, 2 * life);
    EXPECT_TRUE(pool.engine->start(false));
    EXPECT_FALSE(pool.engine->start(false));
    pool.pass(duration::zero());
    EXPECT_EQ(pool.crew->broken(), "");
  }
  pool.engine->begin_stop(pool.clock->at, true);
  pool.pass(10s);
  ASSERT_TRUE(pool.engine->finished());
  (void)pool.engine->conclude();
}

}  // namespace
}  // namespace muster::sim
