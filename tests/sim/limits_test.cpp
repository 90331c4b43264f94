// SPDX-License-Identifier: MIT
// Limits on a task's time that are far away when it is submitted, in virtual time: they hold to the instant,
// and a task that is over before leaves nothing behind.
#include <gtest/gtest.h>

#include <muster/error.hpp>

#include "one_pool.hpp"

namespace muster::sim {
namespace {

engine::settings one_worker() {
  engine::settings chosen;
  chosen.plan = {.min = 1, .max = 1, .grace = 100ms, .ready_timeout = 1s, .can_kill = true};
  return chosen;
}

std::unique_ptr<detail::task_extras> within(std::optional<duration> queue,
                                            std::optional<time_point> deadline) {
  auto extras = std::make_unique<detail::task_extras>();
  extras->queue_timeout = queue;
  extras->settle_by = deadline;
  return extras;
}

bool timed_out(const detail::task_ref<>& t) { return error_kind(error_code::task_timeout).matches(t->error); }

TEST(far_away, a_deadline_ends_a_task_that_waits_to_the_instant) {
  one_pool pool(one_worker(), true, {.takes = 1h});
  (void)pool.submit();
  const auto t = pool.submit(within({}, pool.clock->at + 10s));
  pool.pass(10s - 1ns);
  EXPECT_FALSE(t->settled());
  pool.pass(1ns);
  EXPECT_TRUE(t->settled());
  EXPECT_TRUE(timed_out(t));
  pool.pass(1h);  // the other one ends too
}

TEST(far_away, a_deadline_ends_a_task_that_runs_and_its_worker) {
  one_pool pool(one_worker(), true, {.takes = 1h});
  pool.crew->worst({.ignores_stop = 1});
  const auto t = pool.submit(within({}, pool.clock->at + 10s));
  pool.pass(10s - 1ns);
  EXPECT_FALSE(t->settled());
  pool.pass(1ns);
  EXPECT_TRUE(timed_out(t));
  pool.pass(1s);
  EXPECT_EQ(pool.engine->snapshot().workers_started, 2u) << "its worker was ended, and replaced";
}

TEST(far_away, a_queue_timeout_ends_a_task_that_waits_and_none_that_runs) {
  one_pool pool(one_worker(), true, {.takes = 1min});
  const auto runs = pool.submit(within(10s, {}));
  pool.pass(1s);
  const auto waits = pool.submit(within(10s, {}));
  pool.pass(10s - 1ns);
  EXPECT_FALSE(waits->settled());
  pool.pass(1ns);
  EXPECT_TRUE(timed_out(waits));
  pool.pass(2min);
  EXPECT_TRUE(runs->settled());
  EXPECT_FALSE(runs->error);
}

TEST(far_away, a_deadline_counts_while_a_task_waits_for_another_attempt) {
  engine::settings chosen = one_worker();
  chosen.retry = {
      .attempts = 5, .backoff = {.first = 1h, .max = 1h, .jitter = jitter::none}, .on_error = true};
  one_pool pool(chosen, true, {.takes = 1ms, .throws = true});
  const auto t = pool.submit(within({}, pool.clock->at + 10s));
  pool.pass(5s);
  EXPECT_EQ(pool.engine->snapshot().waiting, 1u);
  pool.pass(5s);
  EXPECT_TRUE(timed_out(t));
  EXPECT_EQ(pool.engine->snapshot().waiting, 0u);
}

TEST(far_away, a_task_that_is_over_leaves_nothing_behind) {
  one_pool pool(one_worker(), true, {.takes = 1ms});
  std::vector<detail::task_ref<>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(pool.submit(within(1h, pool.clock->at + 2h)));
  tasks.front()->home->cancel(*tasks.back());
  pool.pass(1min);
  for (const auto& t : tasks) {
    EXPECT_TRUE(t->settled());
    EXPECT_EQ(t->references, 1u) << "somebody still knows it";
  }
  pool.pass(3h);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 99u);
  EXPECT_EQ(pool.engine->snapshot().cancelled, 1u);
}

TEST(far_away, a_task_that_is_cancelled_while_it_runs_is_forgotten_when_it_is_over) {
  one_pool pool(one_worker(), true, {.takes = 1h});
  const auto t = pool.submit(within({}, pool.clock->at + 1h));
  pool.pass(1s);
  t->home->cancel(*t);
  pool.pass(1s);
  EXPECT_TRUE(t->settled());
  EXPECT_EQ(t->references, 1u);
}

}  // namespace
}  // namespace muster::sim
