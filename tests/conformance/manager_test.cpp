// SPDX-License-Identifier: MIT
// One story in which a process pool does all that a process manager does: it has workers, hands tasks to
// them, watches them, recovers from failure, keeps memory in bounds, and is as large as its work.
#include <map>
#include <mutex>
#include <set>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

int grow(int mebibytes) {
  static std::vector<std::string> kept;
  for (int i = 0; i < mebibytes; ++i) kept.emplace_back(std::size_t{1} << 20U, 'x');
  return ::getpid();
}

TEST(a_process_manager, has_workers_gives_them_tasks_watches_them_recovers_and_scales) {
  process_pool pool({.workers = {.min = 1, .max = 3, .idle_timeout = 50ms},
                     .limits = {.memory_soft = 64_MiB},
                     .restart = {.first = 1ms, .max = 10ms},
                     .worker_stderr = worker_stderr::keep});
  std::mutex mutex;
  std::map<event_kind, int> events;
  for (const auto kind : {event_kind::worker_started, event_kind::worker_died, event_kind::worker_recycled,
                          event_kind::worker_stopped})
    pool.on(kind, [&, kind](const event&) {
      const std::lock_guard lock(mutex);
      ++events[kind];
    });
  const auto seen = [&](event_kind kind, int times) {
    return eventually([&] {
      const std::lock_guard lock(mutex);
      return events[kind] >= times;
    });
  };

  // It manages workers: one is there before anything is asked of it.
  pool.start();
  EXPECT_EQ(ready_workers(pool), 1U);

  // It scales on demand, and distributes: three tasks at once are on three processes.
  scratch files;
  std::vector<future<int>> held;
  for (int i = 0; i < 3; ++i)
    held.push_back(pool.submit({.report = true}, hold, files("b" + std::to_string(i)), files("gate"), i));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
  std::set<int> processes;
  for (const worker_stats& w : pool.stats().workers) {
    EXPECT_EQ(w.state, worker_state::busy);
    processes.insert(w.pid);
  }
  EXPECT_EQ(processes.size(), 3U);

  // It monitors: who runs what, and how long it took.
  EXPECT_EQ(pool.stats().running, 3U);
  touch(files("gate"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(held[static_cast<std::size_t>(i)].get(), i);
  pool.wait_idle();
  EXPECT_EQ(pool.stats().succeeded, 3U);

  // It recovers: a crash costs the task that crashed.
  auto crash = pool.submit(die, SIGSEGV, 0);
  auto after = pool.submit(echo, 4);
  EXPECT_EQ(outcome_of(crash), error_code::unexpected_exit);
  EXPECT_EQ(after.get(), 4);
  EXPECT_TRUE(seen(event_kind::worker_died, 1));

  // It keeps resources in bounds: a worker that has grown is replaced, and no task is lost by it.
  if (!base::is_sanitized) {
    const int large = pool.submit(grow, 100).get();
    EXPECT_TRUE(seen(event_kind::worker_recycled, 1));
    EXPECT_TRUE(eventually([&] { return !lives(large); }));
  }

  // And it is small again when there is nothing to do.
  EXPECT_TRUE(eventually([&] { return pool.stats().workers.size() >= 1 && ready_workers(pool) == 1; }));
  EXPECT_FALSE(pool.stop(30s).forced);
}

}  // namespace
}  // namespace muster::test
