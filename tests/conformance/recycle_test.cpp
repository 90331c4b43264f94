// SPDX-License-Identifier: MIT
// Worker processes that are replaced while they are well: no call is lost, refused or run twice, and the new
// worker is there before the old one goes.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// The processes that answered a call each, for `count` calls.
std::vector<int> who_answers(process_pool& pool, int count) {
  std::vector<future<int>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(pool.submit(process_id));
  std::vector<int> pids;
  for (auto& call : calls) pids.push_back(call.get());
  return pids;
}

TEST(recycling, after_so_many_tasks_brings_a_new_worker_and_loses_no_call) {
  process_pool pool({.workers = {2}, .limits = {.tasks = 50}});
  std::set<int> pids;
  for (int round = 0; round < 10; ++round)
    for (const int pid : who_answers(pool, 200)) pids.insert(pid);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled >= 2; }));
  EXPECT_GE(pids.size(), 3U);
  expect_all_settled(pool, 2'000, 0, 0);
  EXPECT_EQ(pool.stats().workers_died, 0U);
  EXPECT_FALSE(pool.stats().degraded);
}

TEST(recycling, ends_no_worker_before_its_replacement_is_ready) {
  std::mutex mutex;
  std::vector<std::pair<event_kind, unsigned>> told;  // with the slot
  process_pool pool({.workers = {1}, .limits = {.tasks = 10}, .start = false});
  pool.on([&](const event& e) {
    const std::lock_guard lock(mutex);
    if (e.worker) told.emplace_back(e.kind, *e.worker);
  });
  pool.start();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled >= 1; }));
  pool.stop();
  int up = 0;
  std::size_t recycled = 0;
  for (const auto& [kind, slot] : told) {
    if (kind == event_kind::worker_ready) ++up;
    if (kind != event_kind::worker_recycled) continue;
    ++recycled;
    EXPECT_GE(--up, 1) << "the old one was told to go, and nobody else was ready";
  }
  EXPECT_EQ(recycled, pool.stats().workers_recycled);
}

TEST(recycling, by_age_replaces_an_idle_worker) {
  process_pool pool({.workers = {1}, .limits = {.age = 100ms}});
  const int first = pool.submit(process_id).get();
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled >= 2; }));
  EXPECT_NE(pool.submit(process_id).get(), first);
  EXPECT_TRUE(eventually([&] { return !lives(first); }));
}

TEST(recycling, lets_the_old_worker_finish_the_task_it_runs) {
  scratch files;
  process_pool pool({.workers = {1}, .limits = {.age = 50ms}});
  auto held = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled >= 1; }));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1) << "the new one serves meanwhile";
  touch(files("gate"));
  EXPECT_EQ(held.get(), 7);
}

void come_up_unless_broken() {
  const std::string broken = std::getenv("TEST_BROKEN");
  if (exists(broken)) throw std::runtime_error("as the test says");
}

TEST(recycling, keeps_the_old_worker_when_the_new_one_does_not_come_up) {
  scratch files;
  process_pool pool({.workers = {1},
                     .limits = {.tasks = 5},
                     .restart = {.first = 1ms, .max = 10ms},
                     .env = {.set = {{"TEST_BROKEN", files("broken")}}},
                     .init = come_up_unless_broken,
                     .worker_stderr = worker_stderr::keep});
  std::atomic<int> failed = 0;
  pool.on(event_kind::start_failed, [&](const event& e) {
    EXPECT_NE(e.text.find("as the test says"), std::string::npos) << e.text;
    ++failed;
  });
  const int first = pool.submit(process_id).get();
  touch(files("broken"));
  for (const int pid : who_answers(pool, 50)) EXPECT_EQ(pid, first);
  EXPECT_TRUE(eventually([&] { return failed >= 3; })) << "it is tried again";
  EXPECT_EQ(pool.submit(process_id).get(), first);
  EXPECT_FALSE(pool.stats().degraded) << "nobody is missing";
  ::unlink(files("broken").c_str());
  EXPECT_TRUE(eventually([&] { return pool.submit(process_id).get() != first; }));
}

// Keeps so many bytes for ever; gives the process.
int leak(int mebibytes) {
  static std::vector<std::string> kept;
  for (int i = 0; i < mebibytes; ++i) kept.emplace_back(std::size_t{1} << 20U, 'x');
  return ::getpid();
}

TEST(recycling, by_memory_replaces_a_worker_that_leaks_and_only_that) {
  process_pool pool({.workers = {1}, .limits = {.memory_soft = 64_MiB}});
  std::mutex mutex;
  std::string said;
  pool.on(event_kind::worker_recycled, [&](const event& e) {
    const std::lock_guard lock(mutex);
    said = e.text;
  });
  // A sanitizer's bookkeeping counts too, so the modest leak is only seen to be harmless without one.
  const int first = pool.submit(leak, 1).get();
  if (!base::is_sanitized) {
    // For longer than from one look to the next.
    const auto end = std::chrono::steady_clock::now() + 1'200ms;
    while (std::chrono::steady_clock::now() < end) ASSERT_EQ(pool.submit(process_id).get(), first);
    EXPECT_EQ(pool.stats().workers_recycled, 0U);
  }
  (void)pool.submit(leak, 100).get();
  EXPECT_TRUE(eventually([&] { return pool.submit(process_id).get() != first; }));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return said.find("limits.memory_soft") != std::string::npos;
  }));
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

// -----------------------------------------------------------------------------------------------------------
// because somebody asked

// The workers' processes by slot, of a pool that has just started: a number may be told later than that it is
// ready.
std::vector<int> processes_of(process_pool& pool) {
  std::vector<int> pids;
  EXPECT_TRUE(eventually([&] {
    pids.clear();
    for (const worker_stats& w : pool.stats().workers) pids.push_back(w.pid);
    return std::ranges::count(pids, 0) == 0;
  }));
  return pids;
}

TEST(recycling, when_asked_replaces_every_worker_and_says_so) {
  process_pool pool({.workers = {3}});
  pool.start();
  const std::vector<int> old = processes_of(pool);
  ASSERT_EQ(old.size(), 3U);
  const recycle_report report = pool.recycle();
  EXPECT_EQ(report.replaced, 3U);
  EXPECT_EQ(report.kept + report.leaving, 0U);
  EXPECT_FALSE(report.rolled_back);
  EXPECT_EQ(report.why, "");
  EXPECT_EQ(ready_workers(pool), 3U);
  for (const worker_stats& w : pool.stats().workers) EXPECT_EQ(std::ranges::count(old, w.pid), 0);
  for (const int pid : old) EXPECT_FALSE(lives(pid));
}

TEST(recycling, when_asked_for_one_replaces_that_one) {
  process_pool pool({.workers = {2}});
  pool.start();
  const std::vector<int> before = processes_of(pool);
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(pool.recycle(1).replaced, 1U);
  EXPECT_TRUE(lives(before[0]));
  EXPECT_FALSE(lives(before[1]));
  const recycle_report none = pool.recycle(9);
  EXPECT_EQ(none.replaced, 0U);
  EXPECT_NE(none.why, "");
}

TEST(recycling, when_asked_says_at_its_deadline_who_still_runs_a_task) {
  scratch files;
  process_pool pool({.workers = {1}});
  auto held = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  std::atomic<bool> told = false;
  pool.on(event_kind::worker_recycled, [&](const event&) { told = true; });
  recycle_report report;
  do {
    report = pool.recycle(0, {.deadline = 200ms});
  } while (!eventually([&] { return told.load(); }, 0ms));
  EXPECT_EQ(report.replaced, 0U);
  EXPECT_NE(report.why, "");
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  touch(files("gate"));
  EXPECT_EQ(held.get(), 7);
}

TEST(recycling, of_a_pool_that_does_not_run_is_refused) {
  process_pool waiting({.workers = {1}, .start = false});
  EXPECT_EQ(code_of([&] { (void)waiting.recycle(); }), error_code::not_started);
  process_pool stopped({.workers = {1}});
  stopped.stop();
  EXPECT_EQ(code_of([&] { (void)stopped.recycle(); }), error_code::pool_stopped);
  process_pool pool({.workers = {1}});
  try {
    (void)pool.recycle({.at_once = 0, .deadline = -1s});
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("at_once = 0"), std::string::npos) << text;
    EXPECT_NE(text.find("deadline"), std::string::npos) << text;
  }
}

TEST(recycling, twenty_times_under_load_with_every_fifth_generation_broken_costs_no_call) {
  const int rounds = 20, each = base::is_sanitized ? 1'000 : 5'000, all = rounds * each;
  scratch files;
  process_pool pool({.workers = {2},
                     .queue = {.capacity = 100'000, .when_full = when_full::reject},
                     .env = {.set = {{"TEST_BROKEN", files("broken")}}},
                     .init = come_up_unless_broken,
                     .worker_stderr = worker_stderr::keep});
  pool.start();
  std::atomic<int> recycles_done = 0;
  std::vector<future<int>> calls;
  std::thread submitter([&] {
    // Some thousand calls for each recycle, so that each finds the pool at work.
    for (int i = 0; i < all; ++i) {
      if (i % each == 0) (void)eventually([&] { return recycles_done.load() >= i / each; });
      calls.push_back(pool.submit(echo, i));
    }
  });
  for (int round = 0; round < rounds; ++round) {
    const bool broken = round % 5 == 4;
    if (broken) touch(files("broken"));
    const recycle_report report = pool.recycle();
    EXPECT_EQ(report.rolled_back, broken) << report.why;
    EXPECT_EQ(report.replaced, broken ? 0U : 2U);
    EXPECT_EQ(report.kept, broken ? 2U : 0U);
    EXPECT_EQ(report.why.find("as the test says") != std::string::npos, broken) << report.why;
    ::unlink(files("broken").c_str());
    ++recycles_done;
  }
  submitter.join();
  for (int i = 0; i < all; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  expect_all_settled(pool, static_cast<std::size_t>(all), 0, 0);
  const stats s = pool.stats();
  EXPECT_EQ(s.rejected, 0U);
  EXPECT_EQ(s.workers_recycled, 32U);
  EXPECT_EQ(s.workers_died, 4U) << "those that did not come up";
  EXPECT_EQ(s.late, 0U);
}

}  // namespace
}  // namespace muster::test
