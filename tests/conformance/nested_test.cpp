// SPDX-License-Identifier: MIT
// Tasks of a thread pool that wait for tasks of the same pool: they help, or are told why it cannot be.
#include <atomic>
#include <functional>
#include <memory>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int down(thread_pool& pool, int depth) {
  return depth == 0 ? 0 : 1 + pool.submit(down, std::ref(pool), depth - 1).get();
}
int fibonacci(thread_pool& pool, int n) {
  if (n < 2) return n;
  auto left = pool.submit(fibonacci, std::ref(pool), n - 1);
  const int right = fibonacci(pool, n - 2);
  return left.get() + right;
}

TEST(nested_tasks, may_wait_for_each_other_to_any_depth_on_any_number_of_workers) {
  for (const int workers : {1, 2, 3}) {
    thread_pool pool(thread_options{.workers = {workers}, .queue = {.capacity = std::nullopt}});
    EXPECT_EQ(pool.submit(down, std::ref(pool), 150).get(), 150) << workers;
    EXPECT_EQ(pool.submit(fibonacci, std::ref(pool), 13).get(), 233) << workers;
    pool.wait_idle();
    expect_sums(pool.stats());
  }
}

TEST(nested_tasks, may_wait_for_a_retry_on_the_only_worker) {
  thread_pool pool(1);
  auto outer = pool.submit([&pool] {
    auto runs = std::make_shared<std::atomic<int>>(0);
    return pool
        .submit(
            {.retry = retry_options{.attempts = 3, .backoff = {.first = 1ms, .max = 1ms}, .on_error = true}},
            [runs] {
              if (++*runs < 3) throw std::runtime_error("again");
              return runs->load();
            })
        .get();
  });
  ASSERT_TRUE(outer.wait_for(watchdog));
  EXPECT_EQ(outer.get(), 3);
}

TEST(nested_tasks, may_wait_for_a_continuation) {
  thread_pool pool(2);
  auto outer = pool.submit([&pool] {
    auto chained = pool.submit(echo, 5).then([](int x) { return x * 2; });
    return chained.get();
  });
  ASSERT_TRUE(outer.wait_for(watchdog));
  EXPECT_EQ(outer.get(), 10);
  expect_all_settled(pool, 2, 0, 0);
}

TEST(nested_tasks, may_wait_for_a_continuation_that_needs_the_only_worker) {
  for (const int workers : {1, 2}) {
    thread_pool pool(workers);
    std::vector<future<int>> outer;
    for (int i = 0; i < 20; ++i)
      outer.push_back(pool.submit([&pool] {
        return pool.submit(echo, 5).then([&pool](int x) { return x + pool.submit(echo, 6).get(); }).get();
      }));
    for (auto& f : outer) {
      ASSERT_TRUE(f.wait_for(watchdog)) << workers;
      EXPECT_EQ(f.get(), 11);
    }
  }
}

TEST(nested_tasks, that_wait_for_themselves_are_told_so) {
  thread_pool pool(2);
  const auto own = std::make_shared<future<int>>();
  std::atomic<bool> given = false;
  std::atomic<int> code = -1;
  std::string text;
  *own = pool.submit([own, &given, &code, &text] {
    if (!eventually([&] { return given.load(); })) return 0;
    try {
      own->wait();
    } catch (const would_deadlock& e) {
      text = e.what();
      code = static_cast<int>(e.code());
    }
    return 1;
  });
  const auto number = own->task();
  given = true;
  pool.wait_idle();
  EXPECT_EQ(code, static_cast<int>(error_code::would_deadlock));
  EXPECT_NE(text.find("task " + std::to_string(number)), std::string::npos) << text;
  *own = {};
}

TEST(nested_tasks, that_wait_for_the_pool_to_be_idle_or_stopped_are_told_so) {
  thread_pool pool(2);
  EXPECT_EQ(pool.submit([&pool] { return code_of([&] { pool.wait_idle(); }); }).get(),
            error_code::would_deadlock);
  EXPECT_EQ(pool.submit([&pool] { return code_of([&] { pool.stop(); }); }).get(), error_code::would_deadlock);
  EXPECT_EQ(pool.submit([&pool] { return code_of([&] { pool.terminate(); }); }).get(),
            error_code::would_deadlock);
  EXPECT_EQ(pool.submit([&pool] { return code_of([&] { (void)pool.wait_idle_for(1s); }); }).get(),
            error_code::would_deadlock);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(nested_tasks, that_wait_for_room_in_the_queue_only_they_could_make_are_told_so) {
  thread_pool pool(thread_options{.workers = {1}, .queue = {.capacity = 1}});
  const auto how = pool.submit([&pool] {
                         return code_of([&] {
                           std::vector<future<int>> all;
                           for (int i = 0; i < 3; ++i) all.push_back(pool.submit(echo, i));
                         });
                       })
                       .get();
  EXPECT_EQ(how, error_code::would_deadlock);
  pool.wait_idle();
}

TEST(nested_tasks, that_another_task_runs_while_it_waits_see_their_stop_token) {
  thread_pool pool(thread_options{.workers = {1}, .grace = watchdog});
  scratch files;
  auto outer = pool.submit([&pool, &files] {
    auto inner = pool.submit({.run_timeout = 50ms}, until_stopped, files("begun"), files("seen"));
    return outcome_of(inner);
  });
  EXPECT_EQ(outer.get(), error_code::task_timeout);
  EXPECT_TRUE(exists(files("seen")));
}

TEST(nested_tasks, that_another_task_runs_while_it_waits_are_settled_when_stop_returns) {
  scratch files;
  std::optional<future<int>>
      inner;  // outlives the pool, whose destructor waits for the thread that waits for it
  thread_pool pool(thread_options{.workers = {1}, .grace = 20ms});
  auto outer = pool.submit([&] {
    inner = pool.submit(deaf, files("begun"), files("gate"));
    inner->wait();
    return 1;
  });
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_TRUE(pool.stop(10ms).forced);
  EXPECT_TRUE(outer.ready());
  EXPECT_TRUE(inner->ready());
  touch(files("gate"));
}

TEST(nested_tasks, map_inside_a_task_helps_itself) {
  thread_pool pool(1);
  EXPECT_EQ(pool.submit([&pool] { return pool.map(echo, std::vector<int>{1, 2, 3}).to_vector(); }).get(),
            (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(
      pool.submit([&pool] { return pool.map_unordered(echo, std::vector<int>{1, 2, 3}).to_vector().size(); })
          .get(),
      3U);
}

TEST(nested_tasks, of_two_pools_may_wait_for_each_other) {
  thread_pool one(1), two(1);
  auto f = one.submit([&] { return two.submit([&] { return 1; }).get() + two.submit(echo, 2).get(); });
  EXPECT_EQ(f.get(), 3);
}

}  // namespace
}  // namespace muster::test
