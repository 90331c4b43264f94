// SPDX-License-Identifier: MIT
// Timeouts: each limit settles the task as task_timeout and says which it was. Real time, no upper bounds.
#include <atomic>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class T>
std::string timeout_text(future<T>& f) {
  try {
    (void)f.get();
  } catch (const task_timeout& e) {
    return e.what();
  } catch (const std::exception& e) {
    return std::string("another error: ") + e.what();
  }
  return "a value";
}

template <class Pool>
struct timeouts : testing::Test {};
TYPED_TEST_SUITE(timeouts, both_pools, pool_names);

TYPED_TEST(timeouts, a_task_past_its_queue_timeout_leaves_the_queue_and_never_starts) {
  TypeParam pool(1);
  scratch files;
  {
    blocker busy(pool);
    const auto before = std::chrono::steady_clock::now();
    auto f = pool.submit({.queue_timeout = 50ms}, note, files("log"), 1);
    EXPECT_NE(timeout_text(f).find("queue timeout"), std::string::npos);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 50ms);
    EXPECT_EQ(pool.stats().queued, 0U);
  }
  EXPECT_EQ(pool.submit({.queue_timeout = 1h}, echo, 2).get(), 2);
  EXPECT_TRUE(lines_of(files("log")).empty());
  expect_all_settled(pool, 2, 1, 0);
}

// T18: waiting and running are limited apart, and the worker does not go on with what nobody waits for.
TYPED_TEST(timeouts, a_task_past_its_run_timeout_settles_and_is_told_to_stop) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = watchdog});
  scratch files;
  auto f = pool.submit({.run_timeout = 50ms}, until_stopped, files("begun"), files("seen"));
  EXPECT_NE(timeout_text(f).find("run timeout"), std::string::npos);
  EXPECT_TRUE(appears(files("seen")));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  ASSERT_TRUE(eventually([&] { return pool.stats().late == 1; }));
  expect_all_settled(pool, 1, 1, 0);
}

// T18, the other half: time in the queue does not count as run time.
TYPED_TEST(timeouts, waiting_does_not_count_as_running) {
  TypeParam pool(1);
  std::optional<future<int>> f;
  {
    blocker busy(pool);
    f = pool.submit({.run_timeout = 2s}, echo, 1);
    auto timer = pool.submit({.queue_timeout = 2'100ms}, echo, 2);
    EXPECT_EQ(outcome_of(timer), error_code::task_timeout);
  }
  EXPECT_EQ(f->get(), 1);
}

TYPED_TEST(timeouts, a_task_that_waits_past_its_deadline_never_starts) {
  TypeParam pool(1);
  scratch files;
  {
    blocker busy(pool);
    auto f = pool.submit({.deadline = 50ms}, note, files("log"), 1);
    EXPECT_NE(timeout_text(f).find("deadline"), std::string::npos);
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_TRUE(lines_of(files("log")).empty());
}

TYPED_TEST(timeouts, a_deadline_covers_waiting_and_running_together) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = watchdog});
  scratch files;
  const auto before = std::chrono::steady_clock::now();
  std::optional<future<int>> f;
  {
    blocker busy(pool);
    f = pool.submit({.queue_timeout = watchdog, .run_timeout = watchdog, .deadline = 600ms}, until_stopped,
                    files("begun"), files("seen"));
    auto timer = pool.submit({.queue_timeout = 100ms}, echo, 2);
    EXPECT_EQ(outcome_of(timer), error_code::task_timeout);
  }
  EXPECT_NE(timeout_text(*f).find("deadline"), std::string::npos);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 600ms);
  EXPECT_TRUE(!exists(files("begun")) || appears(files("seen")));
}

// T2: a timeout is no listener that the next task meets.
TYPED_TEST(timeouts, the_late_result_of_a_timed_out_task_does_not_settle_the_next_one) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = watchdog});
  scratch files;
  auto late = pool.submit({.run_timeout = 20ms}, until_stopped, files("begun"), files("seen"));
  std::vector<future<int>> next;
  for (int i = 100; i < 120; ++i) next.push_back(pool.submit(echo, i));
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  for (int i = 100; i < 120; ++i) EXPECT_EQ(next[static_cast<std::size_t>(i) - 100].get(), i);
}

// T29: the timer of a task ends with it, and does not hit what its worker does next.
TYPED_TEST(timeouts, the_timer_of_a_finished_task_does_not_hit_the_next_one) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 0ns});
  scratch files;
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(pool.submit({.run_timeout = 500ms, .deadline = 500ms}, echo, i).get(), i);
  auto slow = pool.submit(hold, files("begun"), files("gate"), 5);
  EXPECT_FALSE(slow.wait_for(800ms));
  touch(files("gate"));
  EXPECT_EQ(slow.get(), 5);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TYPED_TEST(timeouts, a_deadline_ends_the_wait_for_another_attempt) {
  TypeParam pool(1);
  auto f = pool.submit(
      {.deadline = 100ms,
       .retry = retry_options{.attempts = 5, .backoff = {.first = 1h, .max = 1h}, .on_error = true}},
      [] { throw std::runtime_error("again"); });
  EXPECT_NE(timeout_text(f).find("deadline"), std::string::npos);
  expect_all_settled(pool, 0, 1, 0);
}

TYPED_TEST(timeouts, many_short_tasks_with_long_timeouts_leave_nothing_behind) {
  TypeParam pool(2);
  std::vector<future<int>> all;
  for (int i = 0; i < 5'000; ++i)
    all.push_back(pool.submit({.queue_timeout = 1h, .run_timeout = 1h, .deadline = 1h}, echo, i));
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  expect_all_settled(pool, 5'000, 0, 0);
}

TEST(timeouts_of_processes, a_worker_past_its_run_timeout_and_grace_is_killed_and_replaced) {
  process_pool pool(process_options{.workers = {1}, .grace = 20ms});
  const int before = pool.submit(process_id).get();
  auto f = pool.submit({.run_timeout = 50ms}, [] {
    volatile unsigned spins = 0;
    for (;;) spins = spins + 1;
  });
  EXPECT_EQ(timeout_text(f).find("another"), std::string::npos);
  const int after = pool.submit(process_id).get();
  EXPECT_NE(before, after);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

TEST(timeouts_of_threads, a_task_that_ignores_its_run_timeout_is_told_of_as_stuck) {
  thread_pool pool(thread_options{.workers = {1}, .grace = 20ms});
  scratch files;
  std::atomic<int> stuck = 0;
  pool.on(event_kind::task_stuck, [&](const event& e) { stuck = static_cast<int>(e.task); });
  auto f = pool.submit({.run_timeout = 20ms}, deaf, files("begun"), files("gate"));
  const auto number = static_cast<int>(f.task());
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_TRUE(eventually([&] { return stuck == number; }));
  touch(files("gate"));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

}  // namespace
}  // namespace muster::test
