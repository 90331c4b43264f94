// SPDX-License-Identifier: MIT
// Whole pools that grow and shrink: by hand, by rules, and for tasks that block. The rules themselves are in
// unit/policy/scaler_test.cpp and unit/engine/plan_scaling_test.cpp, in virtual time.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct scaling : testing::Test {};
TYPED_TEST_SUITE(scaling, both_pools, pool_names);

TYPED_TEST(scaling, a_resize_changes_how_many_workers_there_are_and_says_so) {
  std::mutex mutex;
  std::vector<std::pair<int, int>> changes;
  TypeParam pool(options_of<TypeParam>{.workers = {2}});
  pool.on(event_kind::scaled, [&](const event& e) {
    const std::lock_guard lock(mutex);
    EXPECT_NE(e.text.find("resize was called"), std::string::npos) << e.text;
    changes.emplace_back(e.from, e.to);
  });
  pool.start();
  EXPECT_EQ(pool.stats().workers_max, 2);
  pool.resize(5);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 5; }));
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_min == 5 && pool.stats().workers_wanted == 5; }));
  pool.resize(1);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 1; }));
  EXPECT_EQ(pool.submit(echo, 4).get(), 4);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return changes == std::vector<std::pair<int, int>>{{2, 5}, {5, 1}};
  }));
}

TYPED_TEST(scaling, is_in_the_stats_before_its_event_is_told) {
  std::atomic<int> told = 0, late = 0;
  TypeParam pool(options_of<TypeParam>{.workers = {1}});
  pool.start();
  pool.on(event_kind::scaled, [&](const event& e) {
    if (pool.stats().workers_wanted != e.to) ++late;
    ++told;
  });
  for (int i = 1; i <= 60; ++i) {  // each is told before the next
    pool.resize(i % 2 == 1 ? 2 : 1);
    ASSERT_TRUE(eventually([&] { return told == i; }));
  }
  EXPECT_EQ(late, 0);
}

TYPED_TEST(scaling, a_resize_that_shrinks_lets_running_tasks_finish) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}});
  pool.start();
  scratch files;
  std::vector<future<int>> running;
  for (int i = 0; i < 3; ++i)
    running.push_back(pool.submit(hold, files("b" + std::to_string(i)), files("gate"), i));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
  std::vector<future<int>> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(pool.submit(echo, i));
  pool.resize(1);
  ASSERT_TRUE(eventually([&] { return pool.stats().workers_wanted == 1; }));
  touch(files("gate"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(running[static_cast<std::size_t>(i)].get(), i);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 1; }));
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TYPED_TEST(scaling, a_resize_to_what_cannot_be_is_refused_and_changes_nothing) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}});
  for (const auto& [min, max] : {std::pair{0, 0}, {-1, 2}, {3, 2}, {1, 5'000}})
    EXPECT_EQ(code_of([&] { pool.resize(min, max); }), error_code::invalid_options) << min << " " << max;
  EXPECT_EQ(pool.stats().workers_max, 1);
  pool.stop();
  EXPECT_EQ(code_of([&] { pool.resize(2); }), error_code::pool_stopped);
}

TYPED_TEST(scaling, a_resize_before_start_is_what_starts) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  pool.resize(3);
  EXPECT_EQ(pool.stats().workers_min, 3) << "at once";
  pool.start();
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 3; }));
}

TYPED_TEST(scaling, what_waits_below_the_threshold_brings_no_worker) {
  TypeParam pool(options_of<TypeParam>{.workers = {1, 3}, .scaling = {.queue_per_worker = 4}});
  pool.start();
  blocker busy(pool);
  std::vector<future<int>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(pool.submit(echo, i));
  EXPECT_EQ(pool.stats().workers_started, 1U);
  for (int i = 4; i < 9; ++i) waiting.push_back(pool.submit(echo, i));
  for (int i = 0; i < 9; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i) << "by a second one";
  EXPECT_GE(pool.stats().workers_started, 2U);
}

TYPED_TEST(scaling, busy_workers_bring_another_before_a_task_waits) {
  TypeParam pool(options_of<TypeParam>{.workers = {2, 4}, .scaling = {.up_at = 0.8, .check_every = 5ms}});
  pool.start();
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  const blocker busy(pool, 2);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 3; })) << "2 of 3 are no more than 0.8";
  EXPECT_EQ(pool.stats().queued, 0U);
}

// T6: a worker that is added takes what waits, at once.
TYPED_TEST(scaling, a_worker_that_is_added_takes_what_waits) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}});
  pool.start();
  const blocker busy(pool);
  std::vector<future<int>> waiting;
  for (int i = 0; i < 100; ++i) waiting.push_back(pool.submit(echo, i));
  pool.resize(2);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i);
}

TYPED_TEST(scaling, options_that_cannot_be_are_refused_together) {
  try {
    TypeParam pool(options_of<TypeParam>{.scaling = {.queue_per_worker = 0,
                                                     .waiting_time = 0ns,
                                                     .up_at = 0.3,
                                                     .down_at = 0.4,
                                                     .cool_down = -1ns,
                                                     .least_life = -1ns,
                                                     .starts_per_second = 0,
                                                     .check_every = 0ns}});
    FAIL() << "it was made";
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* each : {"queue_per_worker", "waiting_time", "down_at", "cool_down", "least_life",
                             "starts_per_second", "check_every"})
      EXPECT_NE(text.find(std::string("scaling.") + each), std::string::npos) << each << " in\n" << text;
  }
}

TEST(blocking_tasks, let_another_worker_run_and_give_it_back) {
  thread_pool pool({.workers = {1}});
  pool.start();
  scratch files;
  auto blocks = pool.submit([&] {
    const blocking hint;
    const blocking again;  // says nothing new
    return hold(files("begun"), files("gate"), 1);
  });
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_EQ(pool.submit(echo, 2).get(), 2) << "though the only worker is busy";
  EXPECT_EQ(pool.stats().workers_max, 1);
  touch(files("gate"));
  EXPECT_EQ(blocks.get(), 1);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 1; }));
}

TEST(blocking_tasks, are_at_most_twice_as_many_as_workers) {
  thread_pool pool({.workers = {1}});
  pool.start();
  scratch files;
  std::atomic<int> at_once = 0, most = 0;
  std::vector<future<int>> all;
  for (int i = 0; i < 6; ++i)
    all.push_back(pool.submit([&, i] {
      const blocking hint;
      const int now = ++at_once;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
      const int result = hold(files("b" + std::to_string(i)), files("gate"), i);
      --at_once;
      return result;
    }));
  ASSERT_TRUE(eventually([&] { return at_once == 2; }));
  touch(files("gate"));
  for (auto& each : all) (void)each.get();
  EXPECT_EQ(most, 2);
}

TEST(blocking_tasks, outside_of_a_pool_and_in_a_worker_process_say_nothing) {
  const blocking outside;
  process_pool pool({.workers = {1}});
  EXPECT_EQ(pool.submit([] {
                  const blocking hint;
                  return 3;
                })
                .get(),
            3);
  EXPECT_EQ(pool.stats().workers_started, 1U);
}

}  // namespace
}  // namespace muster::test
