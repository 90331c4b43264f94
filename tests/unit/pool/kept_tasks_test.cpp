// SPDX-License-Identifier: MIT
// What a task posts into its own pool: its worker keeps it, and nobody is worse off for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <muster/error.hpp>
#include <muster/muster.hpp>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

using namespace std::chrono_literals;

// Runs `inside` in a task, which then waits for `go`.
class held_task {
public:
  held_task(thread_pool& pool, std::function<void()> inside)
      : result_(pool.submit([this, inside = std::move(inside)] {
          inside();
          begun_ = true;
          EXPECT_TRUE(eventually([this] { return go_.load(); }));
          left_ = true;
        })) {
    EXPECT_TRUE(eventually([this] { return begun_.load(); }));
  }
  void let_go() {
    go_ = true;
    result_.wait();
    EXPECT_TRUE(eventually([this] { return left_.load(); }));  // also where it was cancelled before
  }

private:
  std::atomic<bool> begun_ = false, go_ = false, left_ = false;
  future<void> result_;
};

TEST(kept_tasks, a_tree_of_tasks_grows_in_depth) {
  thread_pool pool({.workers = {1}, .queue = {.capacity = std::nullopt}});
  std::atomic<int> posted{1}, ran{0}, most{0};
  std::function<void(int)> grow = [&](int depth) {
    ++ran;
    if (depth == 0) return;
    for (int child = 0; child < 2; ++child) {
      most = std::max(most.load(), ++posted - ran);
      pool.post([&grow, depth] { grow(depth - 1); });
    }
  };
  pool.post([&] { grow(14); });
  pool.wait_idle();
  EXPECT_EQ(ran, (1 << 15) - 1);
  EXPECT_LT(most, 500) << "in breadth it would be 16,384";
}

// Tasks of more than a millisecond: a turn is over after one of those that were kept. Now and then that is
// the oldest, and where it was the only one, its worker is left with an entry that is empty.
TEST(kept_tasks, that_are_the_last_of_a_pool_end_the_wait_for_it) {
  thread_pool pool({.workers = {1}});
  const auto compute = [] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(1'200);
    while (std::chrono::steady_clock::now() < end) {}
  };
  for (int lap = 0; lap < 200; ++lap) {
    pool.post([&] {
      pool.post(compute);
      pool.post(compute);
      compute();
    });
    ASSERT_TRUE(pool.wait_idle_for(watchdog)) << lap;
  }
}

TEST(kept_tasks, are_begun_by_another_worker_while_the_one_that_keeps_them_goes_on) {
  for (const int workers : {2, 3, 8}) {
    thread_pool pool({.workers = {workers}});
    for (int lap = 0; lap < 500; ++lap) {
      std::atomic<int> begun{0};
      pool.submit([&] {
            for (int i = 1; i < workers; ++i)
              pool.post([&begun, workers] {
                ++begun;
                EXPECT_TRUE(eventually([&] { return begun == workers - 1; }))
                    << "each has a worker of its own";
              });
            EXPECT_TRUE(eventually([&] { return begun == workers - 1; }));
          })
          .get();
      pool.wait_idle();
      if (HasFailure()) return;
    }
  }
}

TEST(kept_tasks, make_a_pool_grow_like_others) {
  thread_pool pool({.workers = {1, 4}});
  for (int lap = 0; lap < 20; ++lap) {
    std::atomic<int> begun{0};
    pool.submit([&] {
          for (int i = 0; i < 3; ++i)
            pool.post([&begun] {
              ++begun;
              EXPECT_TRUE(eventually([&] { return begun == 3; }));
            });
          EXPECT_TRUE(eventually([&] { return begun == 3; }));
        })
        .get();
    pool.wait_idle();
    if (HasFailure()) return;
    pool.resize(1, 1);
    EXPECT_TRUE(eventually([&] { return pool.stats().workers.size() >= 1; }));
    pool.resize(1, 4);
  }
}

TEST(kept_tasks, that_go_on_for_ever_keep_nobody_from_the_queue_and_none_of_them_waiting) {
  thread_pool pool({.workers = {1}});
  std::atomic<bool> early{false}, enough{false};
  std::atomic<int> rounds{0};
  std::function<void()> again = [&] {
    ++rounds;
    if (!enough) pool.post([&] { again(); });
  };
  pool.submit([&] {
        pool.post([&] { early = true; });
        pool.post([&] { again(); });
      })
      .get();
  EXPECT_TRUE(eventually([&] { return early.load(); })) << "it was kept first";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool.submit([i] { return i; }).get(), i);
  enough = true;
  pool.wait_idle();
  EXPECT_GT(rounds, 0);
}

TEST(kept_tasks, are_counted_as_queued) {
  thread_pool pool({.workers = {1}});
  held_task holds(pool, [&] {
    for (int i = 0; i < 5; ++i) pool.post([] {});
  });
  const stats s = pool.stats();
  EXPECT_EQ(s.submitted, 6u);
  EXPECT_EQ(s.queued, 5u);
  EXPECT_EQ(s.running, 1u);
  ASSERT_EQ(s.queued_by_priority.size(), 1u);
  EXPECT_EQ(s.queued_by_priority[0].queued, 5u);
  holds.let_go();
  pool.wait_idle();
  EXPECT_EQ(pool.stats().succeeded, 6u);
}

TEST(kept_tasks, are_counted_once_at_any_moment) {
  thread_pool pool({.workers = {2}, .queue = {.capacity = std::nullopt}});
  constexpr std::size_t alive =
      40;  // so many at any time: each posts its successor as the last thing it does
  std::atomic<bool> enough{false};
  std::function<void()> again = [&] {
    if (!enough) pool.post([&] { again(); });
  };
  for (std::size_t i = 0; i < alive; ++i) pool.post([&] { again(); });
  for (int look = 0; look < 2'000; ++look) {
    const stats s = pool.stats();
    ASSERT_EQ(s.queued + s.running + s.succeeded, s.submitted) << "look " << look;
  }
  enough = true;
  pool.wait_idle();
  EXPECT_EQ(pool.stats().succeeded, pool.stats().submitted);
}

TEST(kept_tasks, are_seen_by_a_pool_that_may_grow_from_now_on) {
  thread_pool pool({.workers = {1}});
  std::atomic<bool> ran{false};
  held_task holds(pool, [&] { pool.post([&] { ran = true; }); });
  pool.resize(1, 2);
  EXPECT_TRUE(eventually([&] { return ran.load(); })) << "by a second worker, while the first goes on";
  holds.let_go();
}

TEST(kept_tasks, can_be_cancelled_by_name_and_all_together) {
  thread_pool pool({.workers = {1}});
  std::vector<future<int>> results;
  std::atomic<int> ran{0};
  held_task holds(pool, [&] {
    for (int i = 0; i < 6; ++i)
      results.push_back(pool.submit([&ran, i] {
        ++ran;
        return i;
      }));
  });
  results[3].cancel();
  EXPECT_THROW(results[3].get(), cancelled);
  pool.cancel_queued();
  results.erase(results.begin() + 3);
  for (auto& result : results) EXPECT_THROW(result.get(), cancelled);
  holds.let_go();
  pool.wait_idle();
  EXPECT_EQ(ran, 0);
}

TEST(kept_tasks, begin_no_more_when_the_pool_pauses_or_ends_at_once) {
  thread_pool pool({.workers = {1}});
  std::atomic<int> ran{0};
  held_task holds(pool, [&] { pool.post([&] { ++ran; }); });
  pool.pause();
  holds.let_go();
  EXPECT_EQ(pool.stats().queued, 1u);
  EXPECT_EQ(ran, 0);
  pool.resume();
  pool.wait_idle();
  EXPECT_EQ(ran, 1);

  held_task again(pool, [&] { pool.post([&] { ++ran; }); });
  std::thread ends([&] { pool.terminate(); });
  EXPECT_TRUE(eventually([&] { return pool.stats().cancelled > 0; }));
  again.let_go();
  ends.join();
  EXPECT_EQ(ran, 1);
}

TEST(kept_tasks, are_begun_after_what_is_more_urgent) {
  thread_pool pool({.workers = {1}});
  std::string order;
  held_task holds(pool, [&] {
    pool.post([&] { order += 'a'; });
    pool.post([&] { order += 'b'; });
  });
  pool.post({.priority = 5}, [&] { order += 'u'; });
  holds.let_go();
  pool.wait_idle();
  EXPECT_EQ(order.substr(0, 1), "u") << order;
  EXPECT_EQ(order.size(), 3u);
}

TEST(kept_tasks, are_refused_like_others_where_the_queue_is_small) {
  thread_pool pool({.workers = {1}, .queue = {.capacity = 3, .when_full = when_full::reject}});
  std::atomic<int> refused{0};
  pool.submit([&] {
        for (int i = 0; i < 5; ++i) try {
            pool.post([] {});
          } catch (const queue_full&) {
            ++refused;
          }
      })
      .get();
  pool.wait_idle();
  EXPECT_EQ(refused, 2);
}

TEST(kept_tasks, that_go_on_for_ever_do_not_hold_a_worker_that_is_to_leave) {
  thread_pool pool({.workers = {2}});
  std::atomic<bool> enough{false};
  std::function<void()> again = [&] {
    if (!enough) pool.post([&] { again(); });
  };
  for (int i = 0; i < 2; ++i) pool.post([&] { again(); });
  pool.resize(1, 1);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_ended == 1; }));
  enough = true;
  pool.wait_idle();
}

TEST(kept_tasks, of_a_worker_that_leaves_go_to_the_others) {
  for (int lap = 0; lap < 50; ++lap) {
    thread_pool pool({.workers = {3}});
    std::atomic<int> ran{0};
    std::vector<future<void>> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(pool.submit([&] {
        for (int k = 0; k < 20; ++k) pool.post([&] { ++ran; });
        pool.resize(1, 1);
      }));
    for (auto& f : all) f.get();
    pool.wait_idle();
    EXPECT_EQ(ran, 60);
  }
}

// Trees of tasks, whatever is done to their pool: each task runs once or is cancelled, and nothing hangs.
TEST(kept_tasks, are_neither_lost_nor_run_twice_whatever_happens_to_the_pool) {
  const auto seed = seed_of_test();
  std::mt19937_64 dice(seed);
  for (int lap = 0; lap < (long_tests() ? 200 : 10); ++lap) {
    thread_pool pool({.workers = {1, static_cast<int>(1 + dice() % 4)}, .queue = {.capacity = std::nullopt}});
    std::atomic<std::size_t> ran{0}, posted{0};
    std::function<void(int)> grow = [&](int depth) {
      ++ran;
      for (int child = 0; depth > 0 && child < 3; ++child) {
        ++posted;
        pool.post([&grow, depth] { grow(depth - 1); });
      }
    };
    for (int tree = 0; tree < 5; ++tree) {
      ++posted;
      pool.post([&grow] { grow(7); });
      for (int i = 0; i < 20; ++i) {
        switch (dice() % 6) {
          case 0: pool.pause(); break;
          case 1: pool.resume(); break;
          case 2: {
            const int max = static_cast<int>(1 + dice() % 4);
            pool.resize(static_cast<int>(1 + dice() % static_cast<unsigned>(max)), max);
            break;
          }
          case 3:
            ++posted;
            pool.post({.priority = static_cast<int>(dice() % 3) - 1}, [&] { ++ran; });
            break;
          case 4:
            if (dice() % 8 == 0) pool.cancel_queued();
            break;
          default: std::this_thread::yield();
        }
      }
      pool.resume();
    }
    ASSERT_TRUE(pool.wait_idle_for(watchdog)) << "MUSTER_SEED=" << seed;
    const stats s = pool.stats();
    EXPECT_EQ(s.submitted, posted) << "MUSTER_SEED=" << seed;
    EXPECT_EQ(s.succeeded, ran);
    EXPECT_EQ(s.succeeded + s.cancelled, s.submitted);
    EXPECT_EQ(s.queued, 0u);
  }
}

}  // namespace
}  // namespace muster::test
