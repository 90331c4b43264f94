// SPDX-License-Identifier: MIT
// A pause: nothing begins, what runs goes on, and nothing is lost by it. One text for both kinds of pool.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct pauses : testing::Test {};
TYPED_TEST_SUITE(pauses, both_pools, pool_names);

TYPED_TEST(pauses, let_nothing_begin_until_they_are_over) {
  const scratch files;
  TypeParam pool(2);
  pool.pause();
  EXPECT_TRUE(pool.stats().paused);
  std::vector<future<int>> all;
  for (int i = 0; i < 20; ++i) all.push_back(pool.submit(note, files("log"), i));
  EXPECT_FALSE(pool.wait_idle_for(50ms));
  EXPECT_TRUE(lines_of(files("log")).empty());
  EXPECT_EQ(pool.stats().queued, 20U);
  EXPECT_EQ(pool.stats().running, 0U);
  pool.resume();
  EXPECT_FALSE(pool.stats().paused);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(lines_of(files("log")).size(), 20U);
}

TYPED_TEST(pauses, leave_alone_what_runs_and_queue_again_what_was_handed_out) {
  const scratch files;
  TypeParam pool(1);
  auto running = pool.submit(hold, files("begun"), files("gate"), 1);
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 10; ++i) behind.push_back(pool.submit(note, files("log"), i));
  pool.pause();
  touch(files("gate"));
  EXPECT_EQ(running.get(), 1);
  ASSERT_TRUE(eventually([&] { return pool.stats().queued == 10; }));
  EXPECT_FALSE(behind[0].wait_for(50ms));
  EXPECT_TRUE(lines_of(files("log")).empty());
  pool.resume();
  for (auto& f : behind) f.get();
  // In the order in which they were submitted.
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(lines_of(files("log")), expected);
}

TYPED_TEST(pauses, with_every_strategy_end_with_every_worker_at_work) {
  for (const strategy how : {strategy::pull, strategy::fewest, strategy::round_robin}) {
    TypeParam pool(options_of<TypeParam>{.workers = {3}, .strategy = how});
    ASSERT_TRUE(eventually([&] { return pool.stats().idle() == 3; }));
    pool.pause();
    const scratch files;
    std::vector<future<int>> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(pool.submit(hold, files("b" + std::to_string(i)), files("gate"), i));
    pool.resume();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(appears(files("b" + std::to_string(i))));  // side by side
    touch(files("gate"));
    for (auto& f : all) f.get();
  }
}

TYPED_TEST(pauses, count_time_and_let_tasks_be_cancelled) {
  TypeParam pool(1);
  pool.pause();
  auto late = pool.submit({.queue_timeout = 5ms}, echo, 1);
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  auto gone = pool.submit(echo, 1);
  gone.cancel();
  EXPECT_EQ(outcome_of(gone), error_code::cancelled);
  auto swept = pool.submit(echo, 1);
  pool.cancel_queued();
  EXPECT_EQ(outcome_of(swept), error_code::cancelled);
}

TYPED_TEST(pauses, keep_to_the_bounds_of_the_queue) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 2, .when_full = when_full::reject}});
  pool.pause();
  auto a = pool.submit(echo, 1), b = pool.submit(echo, 2);
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 3); }), error_code::queue_full);
  pool.resume();
  EXPECT_EQ(a.get() + b.get(), 3);
}

TYPED_TEST(pauses, before_the_start_hold_from_the_start) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  pool.pause();
  pool.start();
  auto f = pool.submit(echo, 5);
  EXPECT_FALSE(f.wait_for(30ms));
  pool.resume();
  EXPECT_EQ(f.get(), 5);
}

TYPED_TEST(pauses, on_demand_start_no_worker_that_has_nothing_to_do) {
  TypeParam pool(options_of<TypeParam>{.workers = {.min = 0, .max = 2}});
  pool.pause();
  auto f = pool.submit(echo, 5);
  EXPECT_FALSE(f.wait_for(30ms));
  EXPECT_EQ(pool.stats().workers_started, 0U);
  pool.resume();
  EXPECT_EQ(f.get(), 5);
}

TYPED_TEST(pauses, end_with_stop_which_finishes_what_was_accepted) {
  future<int> f;
  {
    TypeParam pool(1);
    pool.pause();
    f = pool.submit(echo, 5);
    EXPECT_FALSE(pool.stop().forced);
    pool.pause();  // of no use any more
    EXPECT_EQ(f.get(), 5);
  }
  {
    TypeParam pool(1);
    pool.pause();
    f = pool.submit(echo, 6);
  }
  EXPECT_EQ(f.get(), 6);  // the destructor drains
}

TYPED_TEST(pauses, end_with_terminate_which_cancels_what_did_not_begin) {
  TypeParam pool(1);
  pool.pause();
  auto f = pool.submit(echo, 5);
  pool.terminate();
  EXPECT_EQ(outcome_of(f), error_code::pool_stopped);
}

TYPED_TEST(pauses, are_told_by_events_once_each) {
  std::atomic<int> paused = 0, resumed = 0;
  {
    TypeParam pool(1);
    pool.on(event_kind::paused, [&](const event&) { ++paused; });
    pool.on(event_kind::resumed, [&](const event&) { ++resumed; });
    pool.resume();
    pool.pause();
    pool.pause();
    pool.resume();
    pool.resume();
  }
  EXPECT_EQ(paused, 1);
  EXPECT_EQ(resumed, 1);
}

TYPED_TEST(pauses, while_tasks_come_from_all_sides_lose_none) {
  std::mt19937_64 dice(seed_of_test());
  TypeParam pool(2);
  std::atomic<bool> over = false;
  std::thread pauser([&] {
    while (!over) {
      pool.pause();
      for (std::uint64_t i = dice() % 2'000; i > 0; --i) std::this_thread::yield();
      pool.resume();
      for (std::uint64_t i = dice() % 2'000; i > 0; --i) std::this_thread::yield();
    }
  });
  const int each = long_tests() ? 20'000 : 2'000;
  std::vector<std::thread> submitters;
  std::atomic<long> sum = 0;
  for (int s = 0; s < 3; ++s)
    submitters.emplace_back([&] {
      std::vector<future<int>> all;
      for (int i = 0; i < each; ++i) all.push_back(pool.submit(echo, i));
      for (auto& f : all) sum += f.get();
    });
  for (auto& t : submitters) t.join();
  over = true;
  pauser.join();
  EXPECT_EQ(sum, 3L * each * (each - 1) / 2);
  expect_all_settled(pool, static_cast<std::size_t>(3 * each), 0, 0);
}

TYPED_TEST(pauses, keep_tasks_of_a_key_in_their_order_whenever_they_come) {
  std::mt19937_64 dice(seed_of_test());
  const scratch files;
  TypeParam pool(3);
  std::vector<future<int>> all;
  const auto submit = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = std::to_string(dice() % 3);
      all.push_back(pool.submit({.key = key}, note, files(key), static_cast<int>(all.size())));
    }
  };
  for (int round = 0; round < 20; ++round) {
    submit(static_cast<int>(dice() % 10));
    pool.pause();
    submit(static_cast<int>(dice() % 10));
    pool.resume();
  }
  for (auto& f : all) f.get();
  std::size_t ran = 0;
  for (const char* key : {"0", "1", "2"}) {
    std::vector<int> order;
    for (const auto& line : lines_of(files(key))) order.push_back(std::stoi(line));
    EXPECT_TRUE(std::ranges::is_sorted(order)) << "key " << key;
    ran += order.size();
  }
  EXPECT_EQ(ran, all.size());
}

TYPED_TEST(pauses, hold_what_is_given_to_each_worker_too) {
  const scratch files;
  TypeParam pool(2);
  pool.start();
  pool.pause();
  auto all = pool.broadcast(note, files("log"), 1);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[0].result.wait_for(50ms));
  EXPECT_FALSE(all[1].result.wait_for(0ns));
  EXPECT_TRUE(lines_of(files("log")).empty());
  pool.resume();
  for (auto& each : all) EXPECT_EQ(each.result.get(), 1);
  EXPECT_EQ(lines_of(files("log")).size(), 2U);
}

TEST(a_pause_of_processes, leaves_alone_what_runs_beside_others_in_a_worker_and_nothing_more_begins_there) {
  const scratch files;
  process_pool pool(process_options{.workers = {.min = 1, .max = 1, .at_once = 3}});
  std::vector<future<int>> running, later;
  for (int i = 0; i < 2; ++i)
    running.push_back(pool.submit(hold, files("begun" + std::to_string(i)), files("gate"), i));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(appears(files("begun" + std::to_string(i))));
  pool.pause();
  for (int i = 0; i < 5; ++i) later.push_back(pool.submit(note, files("log"), i));
  EXPECT_FALSE(later[0].wait_for(50ms)) << "there is room for one more in the worker";
  touch(files("gate"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(running[static_cast<std::size_t>(i)].get(), i);
  EXPECT_FALSE(later[0].wait_for(50ms));
  EXPECT_TRUE(lines_of(files("log")).empty());
  pool.resume();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(later[static_cast<std::size_t>(i)].get(), i);
}

// A thread that waits for a task of its pool runs it itself, as part of the task that runs already.
TEST(a_pause_of_threads, does_not_hold_up_a_task_that_waits_for_another) {
  thread_pool pool(1);
  const scratch files;
  auto outer = pool.submit([&] {
    touch(files("begun"));
    EXPECT_TRUE(appears(files("gate")));
    return pool.submit(echo, 4).get();
  });
  ASSERT_TRUE(appears(files("begun")));
  pool.pause();
  touch(files("gate"));
  EXPECT_EQ(outer.get(), 4);
  pool.resume();
}

}  // namespace
}  // namespace muster::test
