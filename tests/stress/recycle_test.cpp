// SPDX-License-Identifier: MIT
// Workers that are replaced for every reason at once, while others are killed: no call is lost.
#include <signal.h>

#include <atomic>
#include <random>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

TEST(storm, of_recycles_and_kills_loses_no_call) {
  std::mt19937_64 dice(seed_of_test());
  const int calls = long_tests() ? 200'000 : 20'000;
  process_pool pool({.workers = {.min = 1, .max = 3, .idle_timeout = 5ms},
                     .retry = {.attempts = 1'000, .backoff = {.first = 0ms, .max = 1ms}},
                     .limits = {.tasks = 40, .age = 20ms, .jitter = 0.5},
                     .restart = {.first = 1ms, .max = 5ms},
                     .worker_stderr = worker_stderr::keep});
  pool.on(event_kind::degraded, [](const event&) {});  // a worker killed before its first task is one
  std::atomic<bool> over = false;
  std::thread recycler([&] {
    for (int at_once = 1; !over; at_once = at_once % 3 + 1)
      (void)pool.recycle({.at_once = at_once, .deadline = 50ms});
  });
  std::thread killer([&] {
    while (!over) {
      const auto workers = pool.stats().workers;
      if (!workers.empty())
        if (const int pid = workers[dice() % workers.size()].pid; pid != 0) signal_process(pid, SIGKILL);
      (void)pool.wait_idle_for(std::chrono::milliseconds(dice() % 20));
    }
  });
  std::vector<future<int>> all;
  for (int i = 0; i < calls; ++i) all.push_back(pool.submit(echo, i));
  for (int i = 0; i < calls; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  over = true;
  recycler.join();
  killer.join();
  expect_all_settled(pool, static_cast<std::size_t>(calls), 0, 0);
  EXPECT_GT(pool.stats().workers_recycled, 0U);
  EXPECT_TRUE(eventually([&] { return pool.submit(echo, 1).get() == 1 && ready_workers(pool) >= 1; }));
}

}  // namespace
}  // namespace muster::test
