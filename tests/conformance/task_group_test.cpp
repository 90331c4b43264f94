// SPDX-License-Identifier: MIT
// Tasks that belong together: waited for, cancelled and failed together, on any pools.
#include <atomic>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int fail_when(std::string gate) {
  if (!appears(gate)) throw std::logic_error("nobody opened " + gate);
  throw std::invalid_argument("as it was told");
}

template <class Pool>
struct task_groups : testing::Test {};
TYPED_TEST_SUITE(task_groups, both_pools, pool_names);

TYPED_TEST(task_groups, wait_for_their_own_tasks_and_no_others) {
  TypeParam pool(2);
  scratch files;
  auto other = pool.submit(hold, files("begun"), files("gate"), 1);
  task_group group;
  std::vector<future<int>> all;
  for (int i = 0; i < 50; ++i) all.push_back(group.submit(pool, echo, i));
  EXPECT_TRUE(group.wait());
  EXPECT_EQ(group.unsettled(), 0U);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(all[static_cast<std::size_t>(i)].ready());
    EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  }
  EXPECT_FALSE(other.ready());
  touch(files("gate"));
  EXPECT_EQ(other.get(), 1);
}

TYPED_TEST(task_groups, cancel_the_rest_when_one_fails_and_throw_that_error) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .grace = 10s});
  scratch files;
  task_group group;
  auto runs = group.submit(pool, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto fails = group.submit(pool, fail_when, files("gate"));
  auto waits = group.submit(pool, note, files("log"), 1);
  auto outsider = pool.submit(echo, 5);
  touch(files("gate"));
  EXPECT_THROW(group.wait(), std::invalid_argument);
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_THROW(fails.get(), std::invalid_argument);  // its own future says so too
  EXPECT_EQ(runs.get(), 1);                          // it answered within the grace
  EXPECT_EQ(outsider.get(), 5);
  // One that was queued behind the failure may have begun before the group heard of it.
  const auto ended = outcome_of(waits);
  EXPECT_EQ(ended.has_value(), lines_of(files("log")).empty());
  auto again = group.submit(pool, echo, 6);  // as new
  EXPECT_TRUE(group.wait());
  EXPECT_EQ(again.get(), 6);
}

TYPED_TEST(task_groups, that_go_on_after_errors_throw_the_first_when_all_is_done) {
  TypeParam pool(1);
  scratch files;
  touch(files("gate"));
  task_group group({.cancel_on_error = false});
  auto fails = group.submit(pool, fail_when, files("gate"));
  std::vector<future<int>> rest;
  for (int i = 0; i < 10; ++i) rest.push_back(group.submit(pool, note, files("log"), i));
  EXPECT_THROW(group.wait(), std::invalid_argument);
  EXPECT_EQ(lines_of(files("log")).size(), 10U);
  EXPECT_THROW(fails.get(), std::invalid_argument);
}

TYPED_TEST(task_groups, cancel_all_their_tasks_and_refuse_more_until_they_were_waited_for) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  task_group group;
  auto runs = group.submit(pool, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> queued;
  for (int i = 0; i < 5; ++i) queued.push_back(group.submit(pool, note, files("log"), i));
  EXPECT_FALSE(group.wait_for(1ms));
  group.cancel();
  EXPECT_EQ(code_of([&] { (void)group.submit(pool, echo, 1); }), error_code::cancelled);
  EXPECT_FALSE(group.wait());  // a cancel is no error
  EXPECT_TRUE(exists(files("seen")));
  for (auto& f : queued) EXPECT_EQ(outcome_of(f), error_code::cancelled);
  EXPECT_TRUE(lines_of(files("log")).empty());
  EXPECT_EQ(group.submit(pool, echo, 1).get(), 1);
}

TYPED_TEST(task_groups, that_go_out_of_scope_cancel_what_is_left_and_wait_for_it) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  std::optional<future<int>> runs, queued;
  try {
    task_group group;
    runs = group.submit(pool, until_stopped, files("begun"), files("seen"));
    ASSERT_TRUE(appears(files("begun")));
    queued = group.submit(pool, note, files("log"), 1);
    throw 1;
  } catch (int) {}
  EXPECT_TRUE(runs->ready());
  EXPECT_TRUE(queued->ready());
  EXPECT_TRUE(exists(files("seen")));
}

TYPED_TEST(task_groups, are_cancelled_by_their_stop_token) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  std::stop_source source;
  task_group group({.stop = source.get_token()});
  auto runs = group.submit(pool, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  source.request_stop();
  EXPECT_FALSE(group.wait());
  EXPECT_EQ(code_of([&] { (void)group.submit(pool, echo, 1); }), error_code::cancelled);
}

TYPED_TEST(task_groups, hear_of_what_a_stop_of_the_pool_does_to_their_tasks) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  task_group group;
  auto runs = group.submit(pool, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto queued = group.submit(pool, echo, 1);
  pool.stop(0s);
  EXPECT_EQ(code_of([&] { (void)group.wait(); }), error_code::pool_stopped);
}

TYPED_TEST(task_groups, let_a_task_of_many_fail_and_settle_every_future_once) {
  TypeParam pool(2);
  for (int round = 0; round < 20; ++round) {
    task_group group;
    std::vector<future<int>> all;
    std::size_t refused = 0;
    const auto odd = [](int i) -> int { return i % 40 == 39 ? throw std::out_of_range("39") : i; };
    for (int i = 0; i < 200; ++i) try {
        all.push_back(group.submit(pool, odd, i));
      } catch (const cancelled&) {
        ++refused;
      }
    EXPECT_THROW(group.wait(), std::out_of_range);
    std::size_t values = 0, errors = 0, cancels = 0;
    for (auto& f : all) try {
        values += f.get() >= 0 ? 1U : 0U;
      } catch (const cancelled&) {
        ++cancels;
      } catch (const std::out_of_range&) {
        ++errors;
      }
    EXPECT_GE(errors, 1U);
    EXPECT_EQ(values + errors + cancels + refused, 200U);
  }
}

TEST(task_groups_of_both_kinds, span_pools_and_cancel_across_them) {
  thread_pool threads(1);
  process_pool processes(process_options{.workers = {1}, .grace = 10s});
  scratch files;
  task_group group;
  auto runs = group.submit(processes, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto fails = group.submit(threads, [] { throw std::invalid_argument("here"); });
  EXPECT_THROW(group.wait(), std::invalid_argument);
  EXPECT_TRUE(exists(files("seen")));
}

TEST(task_groups_of_threads, nest_and_help_in_the_only_worker) {
  thread_pool pool(1);
  const std::function<int(int)> sum = [&](int depth) -> int {
    if (depth == 0) return 1;
    task_group group;
    auto left = group.submit(pool, sum, depth - 1);
    auto right = group.submit(pool, sum, depth - 1);
    group.wait();
    return left.get() + right.get();
  };
  EXPECT_EQ(pool.submit(sum, 6).get(), 64);
}

TEST(task_groups_of_threads, inside_a_task_end_with_the_group_outside) {
  thread_pool pool(thread_options{.workers = {2}, .grace = 10s});
  scratch files;
  task_group outer;
  auto f = outer.submit(pool, [&](std::stop_token stop) {
    task_group inner({.stop = stop});
    auto g = inner.submit(pool, until_stopped, files("begun"), files("seen"));
    return inner.wait() ? 1 : 2;
  });
  ASSERT_TRUE(appears(files("begun")));
  outer.cancel();
  EXPECT_FALSE(outer.wait());
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_EQ(f.get(), 2);
}

TEST(task_groups_of_threads, that_wait_inside_one_of_their_own_tasks_are_told) {
  thread_pool pool(1);
  task_group group;
  auto f = group.submit(pool, [&] { return code_of([&] { group.wait(); }); });
  EXPECT_EQ(f.get(), error_code::would_deadlock);
}

}  // namespace
}  // namespace muster::test
