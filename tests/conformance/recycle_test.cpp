// SPDX-License-Identifier: MIT
// Worker processes that are replaced while they are well: no call is lost, refused or run twice, and the new
// worker is there before the old one goes.
#include <atomic>
#include <mutex>
#include <set>

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

}  // namespace
}  // namespace muster::test
