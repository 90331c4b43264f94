// SPDX-License-Identifier: MIT
// Many of everything at once: kills, cancels, pools, submitters. Every future settles once and nothing is
// left over.
#include <atomic>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// Long enough that a killed worker is likely to have one under way.
int echo_slowly(int value) {
  const auto end = std::chrono::steady_clock::now() + 30us;
  while (std::chrono::steady_clock::now() < end) {}
  return value;
}

struct outcomes {
  std::atomic<std::size_t> values = 0, failed = 0, cancels = 0, wrong = 0;
};

void take(future<int>& f, int expected, outcomes& into) {
  try {
    if (f.get() == expected)
      ++into.values;
    else
      ++into.wrong;
  } catch (const cancelled&) {
    ++into.cancels;
  } catch (const unexpected_exit&) {
    ++into.failed;
  } catch (const std::exception& e) {
    ADD_FAILURE() << e.what();
    ++into.wrong;
  }
}

// Ends a worker of the pool by one of many signals, if it still is one.
constexpr int deadly[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGABRT, SIGBUS, SIGSEGV, SIGXCPU};
template <class Dice>
bool kill_one(process_pool& pool, Dice& dice) {
  const auto workers = pool.stats().workers;
  if (workers.empty()) return false;
  const auto& w = workers[dice() % workers.size()];
  if (w.state != worker_state::idle && w.state != worker_state::busy) return false;
  std::ifstream name_of("/proc/" + std::to_string(w.pid) + "/comm");
  std::string name;
  std::getline(name_of, name);
  return name.starts_with("muster-") && signal_process(w.pid, deadly[dice() % std::size(deadly)]);
}

TEST(storm, of_kills_settles_every_task_once_and_leaves_nothing) {
  std::mt19937_64 dice(seed_of_test());
  const std::size_t submitters = 8;
  const std::size_t tasks = base::is_sanitized ? 20'000 : 100'000;  // at least
  const int kills = long_tests() ? 3'000 : base::is_sanitized ? 40 : 200;
  {
    process_pool warm(1);  // what the library keeps for good is there from here on
    holdings::zygote = state_of(warm.submit(process_id).get()).parent;
  }
  const holdings before;
  outcomes seen;
  {
    process_pool pool(process_options{
        .workers = {4}, .restart = {.first = 1ms, .max = 5ms}, .worker_stderr = worker_stderr::keep});
    pool.start();
    int killed = 0;
    std::atomic<bool> is_over = false;
    std::atomic<std::size_t> all = 0;
    std::vector<std::thread> threads;
    for (std::size_t s = 0; s < submitters; ++s)
      threads.emplace_back([&] {
        while (all < tasks || !is_over) {
          std::vector<std::pair<int, future<int>>> open;
          for (int i = 0; i < 500; ++i) open.emplace_back(i, pool.submit(echo_slowly, i));
          for (auto& [expected, f] : open) take(f, expected, seen);
          all += open.size();
        }
      });
    // A hundred a second in the mean, and until one has met a task.
    while (killed < kills || (seen.failed == 0 && killed < 20 * kills)) {
      if (kill_one(pool, dice)) ++killed;
      ::usleep(static_cast<useconds_t>(dice() % 20'000));
    }
    is_over = true;
    for (auto& t : threads) t.join();
    EXPECT_EQ(seen.values + seen.failed, all.load());
    EXPECT_EQ(seen.wrong, 0U);
    EXPECT_GT(seen.failed, 0U);
    EXPECT_LE(seen.failed, static_cast<std::size_t>(killed));  // a worker has begun one task at most
    expect_all_settled(pool, seen.values, seen.failed, 0);
    EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 4; }));
    EXPECT_EQ(pool.submit(echo, 1).get(), 1);
    std::printf("%d kills, %zu of %zu tasks lost their worker\n", killed, seen.failed.load(), all.load());
  }
  EXPECT_TRUE(eventually([&] { return holdings() == before; })) << before << " became " << holdings();
}

template <class Pool>
struct storms : testing::Test {};
TYPED_TEST_SUITE(storms, both_pools, pool_names);

TYPED_TEST(storms, of_cancels_settle_every_task_once) {
  std::mt19937_64 dice(seed_of_test());
  const int tasks = long_tests() ? 300'000 : base::is_sanitized ? 5'000 : 30'000;
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .grace = 24h});
  outcomes seen;
  std::vector<std::thread> threads;
  for (int s = 0; s < 3; ++s)
    threads.emplace_back([&, seed = dice()] {
      std::mt19937_64 own(seed);
      std::vector<std::pair<int, future<int>>> open;
      for (int i = 0; i < tasks / 3; ++i) {
        open.emplace_back(i, pool.submit({.priority = static_cast<int>(own() % 5)}, echo, i));
        if (own() % 3 == 0) open[own() % open.size()].second.cancel();
        if (open.size() < 200) continue;
        for (auto& [expected, f] : open) take(f, expected, seen);
        open.clear();
      }
      for (auto& [expected, f] : open) take(f, expected, seen);
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.wrong + seen.failed, 0U);
  EXPECT_EQ(seen.values + seen.cancels, static_cast<std::size_t>(tasks / 3 * 3));
  expect_all_settled(pool, seen.values, 0, seen.cancels);
}

TYPED_TEST(storms, of_pools_leave_nothing) {
  {
    TypeParam warm(1);
    const int pid = warm.submit(process_id).get();
    if (has_processes<TypeParam>) holdings::zygote = state_of(pid).parent;
  }
  const holdings before;
  const int rounds = long_tests() ? 1'000 : has_processes<TypeParam> && base::is_sanitized ? 20 : 200;
  for (int i = 0; i < rounds; ++i) {
    TypeParam pool(1 + i % 3);
    auto f = pool.submit(echo, i);
    if (i % 4 == 1) continue;  // destroyed with work
    if (i % 4 == 2) (void)pool.terminate();
    if (i % 4 == 3) (void)pool.stop();
    f.wait();
  }
  EXPECT_TRUE(eventually([&] { return holdings() == before; })) << before << " became " << holdings();
}

// T4: nothing grows with the number of tasks.
TYPED_TEST(storms, of_tasks_leave_as_many_descriptors_and_threads_as_a_few) {
  TypeParam pool(2);
  pool.start();
  for (int i = 0; i < 100; ++i) (void)pool.submit(echo, i).then([](int x) { return x; }).get();
  const holdings before;
  const int tasks = base::is_sanitized ? 10'000 : 100'000;
  std::vector<future<int>> open;
  for (int i = 0; i < tasks; ++i) {
    open.push_back(pool.submit(echo, i));
    if (open.size() < 500) continue;
    for (auto& f : open) f.wait();
    open.clear();
  }
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return holdings() == before; })) << before << " became " << holdings();
}

TYPED_TEST(storms, of_submitters_at_a_tiny_queue_lose_nothing) {
  std::mt19937_64 dice(seed_of_test());
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .queue = {.capacity = 2}});
  const int each = base::is_sanitized ? 300 : 2'000;
  outcomes seen;
  std::vector<std::thread> threads;
  for (int s = 0; s < 8; ++s)
    threads.emplace_back([&, seed = dice()] {
      std::mt19937_64 own(seed);
      for (int i = 0; i < each;) {
        std::vector<std::pair<int, future<int>>> burst;
        for (std::uint64_t n = own() % 20; n > 0 && i < each; --n, ++i)
          burst.emplace_back(i, pool.submit(echo, i));
        for (auto& [expected, f] : burst) take(f, expected, seen);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.values, static_cast<std::size_t>(8 * each));
  EXPECT_LE(pool.stats().peak_queued, 2U);
  expect_all_settled(pool, seen.values, 0, 0);
}

TYPED_TEST(storms, of_workers_that_come_and_go_lose_nothing) {
  std::mt19937_64 dice(seed_of_test());
  TypeParam pool(options_of<TypeParam>{.workers = {0, 4, 1ms}});
  outcomes seen;
  int tasks = 0;
  for (int round = 0; round < (base::is_sanitized ? 30 : 150); ++round) {
    std::vector<std::pair<int, future<int>>> burst;
    for (std::uint64_t n = dice() % 40; n > 0; --n, ++tasks)
      burst.emplace_back(tasks, pool.submit(echo, tasks));
    for (auto& [expected, f] : burst) {
      ASSERT_TRUE(f.wait_for(watchdog)) << "round " << round;
      take(f, expected, seen);
    }
    ::usleep(static_cast<useconds_t>(dice() % 3'000));
  }
  EXPECT_EQ(seen.values, static_cast<std::size_t>(tasks));
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

}  // namespace
}  // namespace muster::test
