// SPDX-License-Identifier: MIT
// A pool that is started again after it was stopped: another life, on both pools.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct lives : testing::Test {};
TYPED_TEST_SUITE(lives, both_pools, pool_names);

TYPED_TEST(lives, follow_one_another_after_stop_and_after_terminate) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}});
  for (int life = 1; life <= 4; ++life) {
    EXPECT_EQ(pool.submit(echo, life).get(), life);
    EXPECT_TRUE(pool.is_started());
    if (life % 2 == 0)
      pool.terminate();
    else
      EXPECT_FALSE(pool.stop().forced);
    EXPECT_TRUE(pool.is_stopped());
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
    EXPECT_EQ(ready_workers(pool), 0U);
    pool.start();
    EXPECT_EQ(ready_workers(pool), 2U);
  }
  expect_all_settled(pool, 4, 0, 0);
  EXPECT_EQ(pool.stats().rejected, 4U) << "the counts go on";
  EXPECT_EQ(pool.stats().workers_started, 10U);
  EXPECT_EQ(pool.stats().workers.size(), 2U) << "and those of the lives before are not listed";
}

TYPED_TEST(lives, begin_also_where_the_pool_was_stopped_before_its_first) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  EXPECT_EQ(pool.state(), pool_state::not_started);
  pool.stop();
  EXPECT_TRUE(pool.is_stopped());
  pool.start();
  EXPECT_EQ(pool.submit(echo, 7).get(), 7);
}

TYPED_TEST(lives, leave_their_futures_valid_and_keep_subscriptions) {
  std::mutex mutex;
  std::vector<event_kind> seen;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  pool.on([&](const event& e) {
    if (e.kind != event_kind::started && e.kind != event_kind::stopped) return;
    const std::lock_guard lock(mutex);
    seen.push_back(e.kind);
  });
  pool.start();
  auto read_later = pool.submit(echo, 1);
  future<int> never_ran;
  {
    blocker busy(pool);
    never_ran = pool.submit(echo, 2);
    pool.cancel_queued();
    never_ran.wait();
  }
  pool.stop();
  pool.start();
  EXPECT_EQ(read_later.get(), 1);
  EXPECT_EQ(outcome_of(never_ran), error_code::cancelled);
  EXPECT_EQ(pool.submit(echo, 3).then([](future<int> f) { return f.get() + 1; }).get(), 4);
  pool.stop();
  const std::vector expected{event_kind::started, event_kind::stopped, event_kind::started,
                             event_kind::stopped};
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen, expected);
}

TYPED_TEST(lives, do_not_mix_up_generations) {
  TypeParam pool(1);
  pool.submit(echo, 1).get();
  const unsigned first = pool.stats().workers.at(0).generation;
  pool.stop();
  pool.start();
  EXPECT_EQ(pool.stats().workers.at(0).generation, first + 1);
}

TYPED_TEST(lives, begin_after_the_stop_that_is_under_way) {
  TypeParam pool(1);
  auto held = std::make_unique<blocker<TypeParam>>(pool);
  std::thread stopper([&] { pool.stop(watchdog); });
  while (!pool.is_stopping()) std::this_thread::yield();
  std::thread starter([&] { pool.start(); });
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
  held->open();
  starter.join();
  stopper.join();
  EXPECT_TRUE(pool.is_started());
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
}

TYPED_TEST(lives, turn_away_who_waited_for_room_in_the_one_before) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1}});
  std::optional<error_code> met;
  std::thread waits;
  {
    blocker busy(pool);
    auto queued = pool.submit(echo, 1);
    waits = std::thread([&] { met = code_of([&] { (void)pool.submit(echo, 2); }); });
    while (pool.stats().rejected == 0 && !pool.is_stopped()) {
      if (pool.stats().queued == 1) {
        pool.terminate();
        break;
      }
      std::this_thread::yield();
    }
  }
  // Of a pool of threads the task that held the worker may be on its way out still.
  EXPECT_TRUE(eventually([&] { return !code_of([&] { pool.start(); }); }));
  waits.join();
  // It may have come before the end, or after: then another life has taken it.
  EXPECT_TRUE(!met || *met == error_code::pool_stopped);
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
}

// A submit sees one life or an error, and what was accepted settles, whoever stops and starts meanwhile.
TYPED_TEST(lives, are_begun_and_ended_by_many_at_once_while_others_submit) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}});
  std::atomic<bool> over{false};
  std::atomic<std::size_t> accepted{0}, settled{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!over.load()) {
        future<int> got;
        const auto refused = code_of([&] { got = pool.submit(echo, 3); });
        if (refused) {
          EXPECT_EQ(*refused, error_code::pool_stopped) << name(*refused);
          std::this_thread::yield();
          continue;
        }
        ++accepted;
        const auto how = outcome_of(got);
        EXPECT_TRUE(!how || *how == error_code::pool_stopped || *how == error_code::unexpected_exit ||
                    *how == error_code::cancelled)
            << name(*how);
        ++settled;
      }
    });
  std::vector<std::thread> rulers;
  for (int t = 0; t < 3; ++t)
    rulers.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        if (t == 1)
          pool.terminate();
        else
          pool.stop();
        const auto failed = code_of([&] { pool.start(); });
        // A thread that a terminate left in a task goes on for a moment, and nobody can start before it ends.
        EXPECT_TRUE(!failed || *failed == error_code::pool_stopped ||
                    (*failed == error_code::not_ready && std::is_same_v<TypeParam, thread_pool>))
            << name(*failed);
      }
    });
  for (auto& t : rulers) t.join();
  over.store(true);
  for (auto& t : threads) t.join();
  EXPECT_EQ(accepted.load(), settled.load());
  EXPECT_TRUE(eventually([&] { return !code_of([&] { pool.start(); }); }));
  EXPECT_EQ(pool.submit(echo, 9).get(), 9);
  pool.wait_idle();
  expect_sums(pool.stats());
}

// S20: at every instant one of four states, each followed by the next alone, also during a recycle.
TYPED_TEST(lives, are_in_one_state_at_a_time_and_go_through_them_in_order) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .start = false});
  std::atomic<bool> over{false};
  std::vector<pool_state> path{pool_state::not_started};
  std::thread watcher([&] {
    while (!over.load())
      if (const pool_state now = pool.state(); now != path.back()) path.push_back(now);
  });
  const auto seen_by_watcher = [&] { std::this_thread::yield(); };
  for (int life = 0; life < 5; ++life) {
    pool.start();
    EXPECT_TRUE(pool.is_started() && !pool.is_stopping() && !pool.is_stopped());
    if constexpr (has_processes<TypeParam>) {
      EXPECT_EQ(pool.recycle().why, "");
      EXPECT_TRUE(pool.is_started());
    }
    seen_by_watcher();
    pool.stop();
    EXPECT_TRUE(!pool.is_started() && !pool.is_stopping() && pool.is_stopped());
  }
  over.store(true);
  watcher.join();
  const auto rank = [](pool_state s) { return s == pool_state::not_started ? 3 : static_cast<int>(s); };
  for (std::size_t i = 1; i < path.size(); ++i) {
    EXPECT_NE(path[i], pool_state::not_started) << "never again";
    // What was missed between two looks is one whole step of the circle, or two.
    EXPECT_NE(rank(path[i]), rank(path[i - 1]));
  }
}

TYPED_TEST(lives, are_not_begun_by_a_task_that_the_stop_waits_for) {
  if constexpr (!has_processes<TypeParam>) {
    TypeParam pool(1);
    scratch files;
    auto met = pool.submit([&] {
      touch(files("begun"));
      while (!pool.is_stopping()) std::this_thread::yield();
      return code_of([&] { pool.start(); });
    });
    EXPECT_TRUE(appears(files("begun")));
    pool.stop();
    EXPECT_EQ(met.get(), error_code::would_deadlock);
  }
}

TEST(lives_of_threads, wait_for_a_task_that_ignores_its_stop_token) {
  thread_pool pool(1);
  scratch files;
  auto stuck = pool.submit(hold, files("begun"), files("gate"), 1);
  EXPECT_TRUE(appears(files("begun")));
  EXPECT_EQ(pool.terminate().stuck.size(), 1U);
  try {
    pool.start();
    FAIL() << "its thread is still there";
  } catch (const not_ready& e) {
    EXPECT_NE(std::string(e.what()).find("task 1"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(pool.is_stopped());
  touch(files("gate"));
  EXPECT_TRUE(eventually([&] { return !code_of([&] { pool.start(); }); }));
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

std::string place() { return std::filesystem::current_path().string(); }
std::vector<std::string> arguments() { return worker_arguments(); }
std::string variable(std::string name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}
int prepared = 0;

// S125, S157.
TEST(lives_of_processes, begin_with_another_directory_other_arguments_and_another_environment) {
  process_pool pool({.workers = {1}, .cwd = "/", .args = {"old"}});
  EXPECT_EQ(pool.submit(place).get(), "/");
  EXPECT_EQ(code_of([&] { pool.start({.cwd = "/proc"}); }), error_code::invalid_options) << "it is started";
  EXPECT_EQ(pool.submit(place).get(), "/");
  pool.stop();
  EXPECT_EQ(code_of([&] { pool.start({.cwd = "/no/such/directory"}); }), error_code::invalid_options);
  EXPECT_TRUE(pool.is_stopped());
  pool.start({.cwd = "/proc",
              .args = std::vector<std::string>{"new", "ones"},
              .env = environment_options{.set = {{"MUSTER_LIFE", "second"}}},
              .init = init_function([] { prepared = 2; })});
  EXPECT_EQ(pool.submit(place).get(), "/proc");
  EXPECT_EQ(pool.submit(arguments).get(), (std::vector<std::string>{"new", "ones"}));
  EXPECT_EQ(pool.submit(variable, "MUSTER_LIFE").get(), "second");
  EXPECT_EQ(pool.submit([] { return prepared; }).get(), 2);
  EXPECT_EQ(pool.recycle().why, "") << "they are the pool's from then on";
  EXPECT_EQ(pool.submit(place).get(), "/proc");
  pool.terminate();
  pool.start();
  EXPECT_EQ(pool.submit(arguments).get(), (std::vector<std::string>{"new", "ones"}));
  EXPECT_EQ(pool.recycle({.cwd = "/"}).why, "");
  pool.stop();
  pool.start();
  EXPECT_EQ(pool.submit(place).get(), "/") << "as the last recycle left it";
}

TEST(lives_of_processes, begin_with_changes_where_there_was_none_before) {
  process_pool pool({.workers = {1}, .cwd = "/", .start = false});
  pool.start({.cwd = "/proc"});
  EXPECT_EQ(pool.submit(place).get(), "/proc");
}

}  // namespace
}  // namespace muster::test
