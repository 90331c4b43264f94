// SPDX-License-Identifier: MIT
// close: no more tasks, and what was accepted is finished, without anybody waiting for it.
#include <atomic>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct closing : testing::Test {};
TYPED_TEST_SUITE(closing, both_pools, pool_names);

TYPED_TEST(closing, refuses_new_tasks_at_once_and_finishes_what_was_accepted) {
  TypeParam pool(1);
  std::vector<future<int>> in;
  {
    blocker busy(pool);
    for (int i = 0; i < 20; ++i) in.push_back(pool.submit(echo, i));
    pool.close();
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
    EXPECT_EQ(code_of([&] { pool.post(echo, 1); }), error_code::pool_stopped);
    EXPECT_FALSE(in[0].ready());  // it did not wait, and nothing was cancelled
    pool.close();
  }
  pool.wait_idle();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(in[static_cast<std::size_t>(i)].get(), i);
  const stats s = pool.stats();
  EXPECT_EQ(s.rejected, 2U);
  EXPECT_EQ(s.succeeded, 21U);
}

TYPED_TEST(closing, finishes_both_the_urgent_and_the_others_and_each_once) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  std::atomic<bool> stopped = false;
  pool.on(event_kind::stopped, [&](const event&) { stopped = true; });
  pool.start();
  scratch files;
  std::vector<std::string> expected;
  {
    blocker busy(pool);
    for (int i = 0; i < 20; ++i)
      pool.post({.priority = i < 10 ? priority::low : priority::high}, note, files("log"), i);
    pool.close();
  }
  for (const int first : {10, 0})
    for (int i = first; i < first + 10; ++i) expected.push_back(std::to_string(i));
  EXPECT_TRUE(eventually([&] { return stopped.load(); }));
  EXPECT_EQ(lines_of(files("log")), expected);
}

TYPED_TEST(closing, ends_the_workers_after_the_last_task_and_says_so) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .start = false});
  std::atomic<int> stopped = 0;
  pool.on(event_kind::stopped, [&](const event&) { ++stopped; });
  pool.start();
  auto f = pool.submit(echo, 7);
  pool.close();
  EXPECT_TRUE(eventually([&] { return stopped == 1; }));
  EXPECT_EQ(f.get(), 7);
  for (const worker_stats& w : pool.stats().workers) EXPECT_EQ(w.state, worker_state::dead);
  const stop_report report = pool.stop(0s);  // it finds nothing left to do
  EXPECT_FALSE(report.forced);
  EXPECT_EQ(report.cancelled, 0U);
  EXPECT_EQ(stopped, 1);
}

TYPED_TEST(closing, leaves_a_later_stop_its_deadline) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  auto runs = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto waits = pool.submit(echo, 1);
  pool.close();
  EXPECT_FALSE(runs.wait_for(1ms));
  const stop_report report = pool.stop(0s);
  EXPECT_TRUE(report.forced);
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_EQ(outcome_of(waits), error_code::pool_stopped);
}

TYPED_TEST(closing, before_the_start_ends_what_never_began) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  pool.close();
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
  EXPECT_TRUE(pool.is_stopped());
  EXPECT_FALSE(pool.stop().forced);
}

TYPED_TEST(closing, ends_one_life_and_a_stream_goes_on_with_the_next) {
  TypeParam pool(1);
  results<int> done;
  done.submit(pool, echo, 1);
  pool.close();
  EXPECT_EQ(done.next()->get(), 1);
  EXPECT_FALSE(done.next());
  pool.start();
  done.submit(pool, echo, 2);
  EXPECT_EQ(done.next()->get(), 2);
  EXPECT_FALSE(done.has_ended());
  done.submit(pool, echo, 3);
  EXPECT_TRUE(eventually([&] { return done.unread() == 1; }));
  EXPECT_EQ(pool.stop().unread, 1U);
}

TYPED_TEST(closing, turns_away_who_waits_for_room) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1}});
  std::optional<error_code> told;
  {
    blocker busy(pool);
    auto queued = pool.submit(echo, 1);
    std::atomic<bool> asked = false;
    std::thread waiting([&] {
      told = code_of([&] {
        asked = true;
        (void)pool.submit(echo, 2);
      });
    });
    EXPECT_TRUE(eventually([&] { return asked.load(); }));
    pool.close();
    waiting.join();
    busy.open();
    EXPECT_EQ(queued.get(), 1);
  }
  EXPECT_EQ(told, error_code::pool_stopped);
}

TYPED_TEST(closing, lets_retries_of_accepted_tasks_run) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {1}, .retry = {.attempts = 3, .backoff = {.first = 1ms}, .on_error = true}});
  scratch files;
  const auto third_time = [](std::string log) {
    append(log, "ran");
    if (lines_of(log).size() < 3) throw std::runtime_error("not yet");
    return static_cast<int>(lines_of(log).size());
  };
  auto f = pool.submit(third_time, files("log"));
  pool.close();
  EXPECT_EQ(f.get(), 3);
}

TYPED_TEST(closing, while_others_submit_settles_each_accepted_task_and_refuses_each_other) {
  for (int round = 0; round < 5; ++round) {
    TypeParam pool(2);
    std::atomic<std::size_t> accepted = 0, gave = 0;
    std::vector<std::thread> submitters;
    for (int i = 0; i < 3; ++i)
      submitters.emplace_back([&] {
        std::vector<future<int>> mine;
        try {
          for (int n = 0; n < 100'000; ++n) {
            mine.push_back(pool.submit(echo, n));
            ++accepted;
          }
        } catch (const pool_stopped&) {}
        for (auto& f : mine) gave += f.get() >= 0 ? 1U : 0U;
      });
    EXPECT_TRUE(eventually([&] { return accepted > 500; }));
    pool.close();
    for (auto& t : submitters) t.join();
    EXPECT_EQ(accepted, gave);
    EXPECT_EQ(pool.stats().submitted, accepted);
  }
}

TEST(closing_of_threads, is_allowed_inside_a_task_which_then_may_submit_no_more) {
  thread_pool pool(1);
  auto f = pool.submit([&pool] {
    pool.close();
    return code_of([&] { (void)pool.submit(echo, 1); });
  });
  EXPECT_EQ(f.get(), error_code::pool_stopped);
}

TEST(closing_of_processes, during_a_recycle_ends_that_and_loses_no_call) {
  process_pool pool(2);
  std::vector<future<int>> in;
  for (int i = 0; i < 200; ++i) in.push_back(pool.submit(echo, i));
  std::thread recycler([&] {
    try {
      (void)pool.recycle();
    } catch (const pool_stopped&) {}
  });
  pool.close();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(in[static_cast<std::size_t>(i)].get(), i);
  recycler.join();
  EXPECT_FALSE(pool.stop().forced);
}

// A worker that dies after close is replaced, so that what was accepted can be finished.
TEST(closing_of_processes, still_replaces_workers_that_die) {
  process_pool pool(1);
  auto dies = pool.submit([] { std::abort(); });
  auto lives = pool.submit(echo, 3);
  pool.close();
  EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  EXPECT_EQ(lives.get(), 3);
}

}  // namespace
}  // namespace muster::test
