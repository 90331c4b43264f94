// SPDX-License-Identifier: MIT
// One task for every worker: each runs it once, and nobody runs it for another.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <set>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// Who I am, as a thread and as a process can say.
std::string whoami() { return std::to_string(::getpid()) + "/" + std::to_string(::gettid()); }

template <class Pool>
struct broadcasts : testing::Test {};
TYPED_TEST_SUITE(broadcasts, both_pools, pool_names);

TYPED_TEST(broadcasts, run_once_on_every_worker) {
  TypeParam pool(4);
  for (int round = 0; round < 20; ++round) {
    auto all = pool.broadcast(whoami);
    ASSERT_EQ(all.size(), 4U);
    std::set<std::string> who;
    std::set<unsigned> slots;
    for (auto& each : all) {
      who.insert(each.result.get());
      slots.insert(each.worker);
    }
    EXPECT_EQ(who.size(), 4U);
    EXPECT_EQ(slots, (std::set<unsigned>{0, 1, 2, 3}));
  }
  expect_all_settled(pool, 80, 0, 0);
}

// One worker is busy for as long as we like; the others, with nothing to do, must not take its part.
TYPED_TEST(broadcasts, leave_a_busy_workers_part_to_it) {
  TypeParam pool(3);
  pool.start();
  std::optional<unsigned> busy_slot;
  std::vector<worker_future<std::string>> all;
  {
    scratch files;
    auto busy = pool.submit({.report = true}, hold, files("begun"), files("gate"), 1);
    ASSERT_TRUE(appears(files("begun")));
    all = pool.broadcast(whoami);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_TRUE(eventually([&] {
      return std::count_if(all.begin(), all.end(), [](auto& each) { return each.result.ready(); }) == 2;
    }));
    for (int i = 0; i < 200; ++i)
      EXPECT_EQ(pool.submit(echo, i).get(), i);  // the others look for work all the time
    EXPECT_EQ(std::count_if(all.begin(), all.end(), [](auto& each) { return each.result.ready(); }), 2);
    touch(files("gate"));
    busy_slot = busy.report()->worker;
  }
  std::set<std::string> who;
  for (auto& each : all) who.insert(each.result.get());
  EXPECT_EQ(who.size(), 3U);
  EXPECT_TRUE(busy_slot.has_value());
}

TYPED_TEST(broadcasts, come_before_what_is_queued) {
  TypeParam pool(1);
  scratch files;
  std::vector<worker_future<int>> all;
  {
    blocker busy(pool);
    for (int i = 0; i < 5; ++i) pool.post(note, files("log"), i);
    all = pool.broadcast(note, files("log"), 100);
  }
  pool.wait_idle();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].result.get(), 100);
  const auto lines = lines_of(files("log"));
  ASSERT_EQ(lines.size(), 6U);
  // A worker process may have had some of them in its ring already, but never all.
  EXPECT_LE(std::find(lines.begin(), lines.end(), "100") - lines.begin(), has_processes<TypeParam> ? 4 : 0);
}

TYPED_TEST(broadcasts, need_no_room_in_the_queue) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::reject}});
  blocker busy(pool);
  auto queued = pool.submit(echo, 1);
  auto all = pool.broadcast(echo, 2);
  busy.open();
  EXPECT_EQ(all.at(0).result.get(), 2);
  EXPECT_EQ(queued.get(), 1);
}

TYPED_TEST(broadcasts, bring_each_workers_error) {
  TypeParam pool(2);
  auto all = pool.broadcast([]() -> int { throw std::invalid_argument("not here"); });
  ASSERT_EQ(all.size(), 2U);
  for (auto& each : all) EXPECT_THROW(each.result.get(), std::invalid_argument);
}

TYPED_TEST(broadcasts, are_cancelled_one_by_one) {
  TypeParam pool(1);
  blocker busy(pool);
  auto first = pool.broadcast(echo, 1), second = pool.broadcast(echo, 2);
  first.at(0).result.cancel();
  EXPECT_EQ(outcome_of(first.at(0).result), error_code::cancelled);
  busy.open();
  EXPECT_EQ(second.at(0).result.get(), 2);
}

TYPED_TEST(broadcasts, settle_when_the_pool_stops_by_force) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .grace = 10s});
  scratch files;
  auto runs = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto all = pool.broadcast(echo, 3);
  EXPECT_TRUE(eventually(
      [&] { return std::any_of(all.begin(), all.end(), [](auto& each) { return each.result.ready(); }); }));
  pool.stop(0s);
  int values = 0, stopped = 0;
  for (auto& each : all) ++(outcome_of(each.result) == error_code::pool_stopped ? stopped : values);
  EXPECT_GE(values, 1);  // the told worker may have been faster than the stop
  EXPECT_EQ(values + stopped, 2);
}

TYPED_TEST(broadcasts, are_refused_before_the_start_and_after_the_end) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  EXPECT_EQ(code_of([&] { (void)pool.broadcast(echo, 1); }), error_code::not_started);
  pool.start();
  EXPECT_EQ(pool.broadcast(echo, 1).at(0).result.get(), 1);
  pool.close();
  EXPECT_EQ(code_of([&] { (void)pool.broadcast(echo, 1); }), error_code::pool_stopped);
}

TYPED_TEST(broadcasts, reach_nobody_where_nobody_is) {
  TypeParam pool(options_of<TypeParam>{.workers = {.min = 0, .max = 2}});
  EXPECT_TRUE(pool.broadcast(echo, 1).empty());
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
  EXPECT_GE(pool.broadcast(echo, 1).size(), 1U);
}

// Many at once, from several threads, among other work, by every strategy.
TYPED_TEST(broadcasts, among_other_work_settle_each_part_once_on_its_worker) {
  for (const auto how : {strategy::pull, strategy::fewest, strategy::round_robin}) {
    TypeParam pool(options_of<TypeParam>{.workers = {3}, .strategy = how});
    pool.start();
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        for (int round = 0; round < 30; ++round) {
          std::vector<future<int>> others;
          for (int i = 0; i < 20; ++i) others.push_back(pool.submit(echo, i));
          std::set<std::string> who;
          for (auto& each : pool.broadcast(whoami)) who.insert(each.result.get());
          wrong += who.size() == 3 ? 0 : 1;
          for (auto& f : others) (void)f.get();
        }
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
    expect_all_settled(pool, 3U * 30 * 23, 0, 0);
  }
}

TEST(broadcasts_of_processes, to_a_worker_that_dies_first_fail_with_its_death) {
  process_pool pool(process_options{.workers = {2}});
  pool.start();
  scratch files;
  const auto die_at = [](std::string begun, std::string gate) {
    touch(begun);
    (void)appears(gate);
    std::abort();
  };
  auto dies = pool.submit(die_at, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  auto all = pool.broadcast(process_id);
  ASSERT_EQ(all.size(), 2U);
  touch(files("gate"));
  EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  int values = 0, deaths = 0;
  for (auto& each : all) ++(outcome_of(each.result) == error_code::unexpected_exit ? deaths : values);
  EXPECT_EQ(values, 1);
  EXPECT_EQ(deaths, 1);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(broadcasts_of_processes, to_a_worker_that_is_replaced_first_are_cancelled) {
  process_pool pool(process_options{.workers = {1}});
  pool.start();
  scratch files;
  auto held = pool.submit(hold, files("begun"), files("gate"), 1);
  ASSERT_TRUE(appears(files("begun")));
  auto all = pool.broadcast(process_id);
  std::thread recycler([&] { (void)pool.recycle(); });
  EXPECT_EQ(outcome_of(all.at(0).result), error_code::cancelled);
  touch(files("gate"));
  recycler.join();
  EXPECT_EQ(held.get(), 1);
}

TEST(broadcasts_of_processes, while_workers_are_killed_settle_all) {
  process_pool pool(process_options{.workers = {3}});
  pool.start();
  std::mt19937_64 dice(seed_of_test());
  std::size_t values = 0, others = 0;
  for (int round = 0; round < 30; ++round) {
    auto all = pool.broadcast(process_id);
    const auto workers = pool.stats().workers;
    if (!workers.empty())
      if (const int pid = workers[dice() % workers.size()].pid; pid > 0) signal_process(pid, SIGKILL);
    for (auto& each : all) try {
        values += each.result.get() > 0 ? 1U : 0U;
      } catch (const error&) {
        ++others;
      }
  }
  pool.wait_idle();
  EXPECT_EQ(pool.stats().submitted, values + others);
  EXPECT_GT(values, 0U);
}

TEST(broadcasts_of_processes, are_refused_where_a_worker_serves_one_task) {
  process_pool pool(process_options{.workers = {1}, .lifetime = lifetime::per_task});
  EXPECT_EQ(code_of([&] { (void)pool.broadcast(process_id); }), error_code::invalid_options);
}

// Each worker waits for the part of the other: both run their own part meanwhile.
TEST(broadcasts_of_threads, inside_tasks_do_not_wait_for_each_other_for_ever) {
  thread_pool pool(2);
  pool.start();
  std::atomic<int> here = 0;
  const auto meet = [&] {
    ++here;
    while (here < 2) std::this_thread::yield();
    int sum = 0;
    for (auto& each : pool.broadcast(echo, 1)) sum += each.result.get();
    return sum;
  };
  auto a = pool.submit(meet), b = pool.submit(meet);
  int sum = 0;
  for (auto* f : {&a, &b}) try {
      sum += f->get();
    } catch (const would_deadlock&) {  // the later one may be told so, where both of its pool's workers wait
      sum += 2;
    }
  EXPECT_EQ(sum, 4);
}

}  // namespace
}  // namespace muster::test
