// SPDX-License-Identifier: MIT
// Futures: waiting, continuations, coroutines, cancelling, and futures that outlive their pool.
#include <atomic>
#include <coroutine>
#include <future>
#include <memory>
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int throw_two() { throw std::out_of_range("two"); }

// A coroutine that starts at once and keeps nothing.
struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

struct finding {
  std::atomic<int> value = 0;
  std::atomic<bool> done = false;
};

template <class Pool>
detached add_up(Pool& pool, std::shared_ptr<finding> into) {
  int sum = 0;
  for (int i = 1; i <= 3; ++i) sum += co_await pool.submit(echo, i);
  try {
    co_await pool.submit(throw_two);
  } catch (const std::out_of_range&) {
    sum += 100;
  }
  co_await pool.submit(nothing);
  into->value = sum;
  into->done = true;
}

template <class Pool>
struct futures : testing::Test {};
TYPED_TEST_SUITE(futures, both_pools, pool_names);

TYPED_TEST(futures, wait_for_says_whether_the_task_has_settled) {
  TypeParam pool(1);
  scratch files;
  auto f = pool.submit(hold, files("begun"), files("gate"), 4);
  EXPECT_FALSE(f.wait_for(2ms));
  EXPECT_FALSE(f.wait_for(0ns));
  EXPECT_FALSE(f.ready());
  touch(files("gate"));
  EXPECT_TRUE(f.wait_for(watchdog));
  EXPECT_TRUE(f.ready());
  EXPECT_TRUE(f.valid());
  EXPECT_EQ(f.get(), 4);
  EXPECT_FALSE(f.valid());
}

TYPED_TEST(futures, wait_for_the_longest_time_there_is_waits) {
  TypeParam pool(1);
  scratch files;
  auto f = pool.submit(hold, files("begun"), files("gate"), 4);
  std::thread opener([&] {
    EXPECT_TRUE(appears(files("begun")));
    touch(files("gate"));
  });
  EXPECT_TRUE(f.wait_for(duration::max()));
  opener.join();
}

template <class Act>
bool says_no_state(Act act) {
  try {
    act();
  } catch (const std::future_error& e) {
    return e.code() == std::future_errc::no_state;
  }
  return false;
}
template <class T>
void expect_no_state(future<T>& f) {
  EXPECT_FALSE(f.valid());
  EXPECT_TRUE(says_no_state([&] { (void)f.ready(); }));
  EXPECT_TRUE(says_no_state([&] { (void)f.task(); }));
  EXPECT_TRUE(says_no_state([&] { f.wait(); }));
  EXPECT_TRUE(says_no_state([&] { (void)f.wait_for(1ms); }));
  EXPECT_TRUE(says_no_state([&] { (void)f.get(); }));
  EXPECT_TRUE(says_no_state([&] { f.cancel(); }));
  EXPECT_TRUE(says_no_state([&] { (void)f.report(); }));
  EXPECT_TRUE(says_no_state([&] { (void)f.then([](future<T>) {}); }));
  EXPECT_TRUE(says_no_state([&] { (void)std::move(f).operator co_await(); }));
}

TYPED_TEST(futures, that_are_not_valid_say_so_whatever_is_asked_of_them) {
  TypeParam pool(1);
  future<int> empty;
  expect_no_state(empty);
  future<void> empty_void;
  expect_no_state(empty_void);
  auto read = pool.submit(echo, 1);
  EXPECT_EQ(read.get(), 1);
  expect_no_state(read);
  auto continued = pool.submit(echo, 2);
  auto next = continued.then([](int x) { return x; });
  expect_no_state(continued);
  auto moved = std::move(next);
  expect_no_state(next);
  next = std::move(moved);
  EXPECT_EQ(next.get(), 2);
}

TYPED_TEST(futures, then_runs_on_the_value_and_chains) {
  TypeParam pool(1);
  auto f = pool.submit(echo, 3).then([](int x) { return x + 0.5; }).then([](double d) {
    return std::to_string(d);
  });
  EXPECT_EQ(f.get().substr(0, 3), "3.5");
  std::atomic<bool> ran = false;
  pool.submit(nothing).then([&] { ran = true; }).get();
  EXPECT_TRUE(ran);
}

TYPED_TEST(futures, then_is_skipped_by_an_error_which_goes_on) {
  TypeParam pool(1);
  std::atomic<bool> ran = false;
  auto f = pool.submit(throw_two).then([&](int) { return ran = true, 1; });
  EXPECT_THROW(f.get(), std::out_of_range);
  EXPECT_FALSE(ran);
}

TYPED_TEST(futures, then_can_take_the_future_itself_and_see_the_error) {
  TypeParam pool(1);
  auto f = pool.submit(throw_two).then([](future<int> ready) {
    EXPECT_TRUE(ready.ready());
    try {
      return ready.get();
    } catch (const std::out_of_range&) {
      return -1;
    }
  });
  EXPECT_EQ(f.get(), -1);
}

TYPED_TEST(futures, what_a_continuation_throws_is_its_futures_error) {
  TypeParam pool(1);
  auto f = pool.submit(echo, 1).then([](int) -> int { throw std::domain_error("then"); });
  EXPECT_THROW(f.get(), std::domain_error);
}

TYPED_TEST(futures, can_be_awaited_by_a_coroutine) {
  TypeParam pool(2);
  const auto found = std::make_shared<finding>();
  add_up(pool, found);
  ASSERT_TRUE(eventually([&] { return found->done.load(); }));
  EXPECT_EQ(found->value, 106);
}

// The result of `then` is no task of the queue: to cancel it or to wait for it must leave the queue alone.
TYPED_TEST(futures, cancelling_the_result_of_then_leaves_the_queue_whole) {
  TypeParam pool(1);
  std::vector<future<int>> queued;
  std::optional<future<int>> chained;
  {
    blocker busy(pool);
    auto first = pool.submit(echo, 0);
    for (int i = 1; i < 5; ++i) queued.push_back(pool.submit(echo, i));
    chained = std::move(first).then([](int x) { return x; });
    chained->cancel();
    EXPECT_EQ(outcome_of(*chained), error_code::cancelled);
  }
  for (int i = 1; i < 5; ++i) {
    auto& f = queued[static_cast<std::size_t>(i) - 1];
    ASSERT_TRUE(f.wait_for(watchdog)) << i;
    EXPECT_EQ(f.get(), i);
  }
  expect_all_settled(pool, 6, 0, 0);
}

TYPED_TEST(futures, a_continuation_may_wait_for_another_task_of_the_same_pool) {
  TypeParam pool(1);
  auto f = pool.submit(echo, 1).then([&pool](int x) { return x + pool.submit(echo, 10).get(); });
  ASSERT_TRUE(f.wait_for(watchdog));
  EXPECT_EQ(f.get(), 11);
}

TYPED_TEST(futures, a_continuation_may_wait_for_a_moment_only) {
  TypeParam pool(1);
  auto waits = pool.submit(echo, 1).then([&pool](int x) {
    auto chained = pool.submit(echo, 2).then([](int y) { return y + 1; });
    return chained.wait_for(watchdog) ? x + chained.get() : -1;  // it helps while it waits
  });
  EXPECT_EQ(waits.get(), 4);
}

TYPED_TEST(futures, continuations_that_wait_for_each_other_never_exhaust_the_stack) {
  TypeParam pool(1);
  constexpr int many = 40'000;
  std::vector<future<int>> all;
  for (int i = 0; i < many; ++i)
    all.push_back(pool.submit(echo, i).then([&pool](int x) { return x + pool.submit(echo, 1).get(); }));
  for (int i = 0; i < many; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i + 1);
}

TYPED_TEST(futures, of_continuations_have_settled_when_stop_returns) {
  TypeParam pool(2);
  std::vector<future<int>> all;
  for (int i = 0; i < 200; ++i)
    all.push_back(pool.submit(echo, i).then([](int x) { return x + 1; }).then([](int x) { return x * 2; }));
  (void)pool.stop();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(all[static_cast<std::size_t>(i)].ready()) << i;
    EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), (i + 1) * 2);
  }
}

TYPED_TEST(futures, a_continuation_may_wait_for_another_continuation) {
  TypeParam pool(1);
  auto f = pool.submit(echo, 1).then(
      [&pool](int x) { return x + pool.submit(echo, 10).then([](int y) { return y * 2; }).get(); });
  ASSERT_TRUE(f.wait_for(watchdog));
  EXPECT_EQ(f.get(), 21);
}

TYPED_TEST(futures, a_queued_task_that_is_cancelled_never_starts) {
  TypeParam pool(1);
  scratch files;
  std::vector<future<int>> cancelled_ones;
  {
    blocker busy(pool);
    for (int i = 0; i < 20; ++i) cancelled_ones.push_back(pool.submit(note, files("log"), i));
    for (auto& f : cancelled_ones) f.cancel();
    for (auto& f : cancelled_ones) EXPECT_EQ(outcome_of(f), error_code::cancelled);
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_TRUE(lines_of(files("log")).empty());
  expect_all_settled(pool, 2, 0, 20);
}

TYPED_TEST(futures, a_running_task_that_is_cancelled_sees_its_stop_token) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = watchdog});
  scratch files;
  auto f = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  f.cancel();
  EXPECT_TRUE(appears(files("seen")));
  f.wait();  // a result that was there first, or cancelled
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TYPED_TEST(futures, a_running_task_that_answers_its_cancel_within_the_grace_has_succeeded) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 1h});
  scratch files;
  auto f = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  f.cancel();
  EXPECT_EQ(f.get(), 1);
  expect_all_settled(pool, 1, 0, 0);
}

TYPED_TEST(futures, a_running_task_that_ignores_a_cancel_settles_as_cancelled_after_the_grace) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 20ms});
  scratch files;
  std::atomic<int> stuck = 0, died = 0;
  pool.on(event_kind::task_stuck, [&](const event&) { ++stuck; });
  pool.on(event_kind::worker_died, [&](const event& e) {
    EXPECT_EQ(e.death->cause, death_cause::cancelled);
    ++died;
  });
  auto f = pool.submit(deaf, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);
  EXPECT_TRUE(eventually([&] { return (has_processes<TypeParam> ? died : stuck) == 1; }));
  touch(files("gate"));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TYPED_TEST(futures, a_task_is_cancelled_by_the_token_given_with_it) {
  TypeParam pool(1);
  scratch files;
  std::stop_source stop;
  std::optional<future<int>> queued;
  {
    blocker busy(pool);
    queued = pool.submit({.stop = stop.get_token()}, note, files("log"), 1);
    stop.request_stop();
    EXPECT_EQ(outcome_of(*queued), error_code::cancelled);
    auto stopped_before = pool.submit({.stop = stop.get_token()}, note, files("log"), 2);
    EXPECT_EQ(outcome_of(stopped_before), error_code::cancelled);
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_TRUE(lines_of(files("log")).empty());
}

TYPED_TEST(futures, cancel_does_no_harm_to_a_task_that_has_settled) {
  TypeParam pool(1);
  auto f = pool.submit(echo, 1);
  f.wait();
  f.cancel();
  EXPECT_EQ(f.get(), 1);
  expect_all_settled(pool, 1, 0, 0);
}

TYPED_TEST(futures, settle_exactly_once_while_cancels_race_with_results) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .grace = watchdog});
  const std::size_t rounds = base::is_sanitized ? 2'000 : 10'000;
  std::mt19937_64 dice(seed_of_test());
  std::atomic<std::size_t> settled = 0;
  std::size_t values = 0, cancels = 0;
  std::vector<future<int>> burst;
  for (std::size_t round = 0; round < rounds; ++round) {
    burst.push_back(pool.submit(echo, static_cast<int>(round)).then([&](future<int> ready) {
      ++settled;
      return ready.get();
    }));
    auto plain = pool.submit(echo, 1);
    if (dice() % 2 == 0) std::this_thread::yield();
    plain.cancel();
    const auto how = outcome_of(plain);
    EXPECT_TRUE(!how || *how == error_code::cancelled);
    ++(how ? cancels : values);
  }
  for (auto& f : burst) (void)outcome_of(f);
  EXPECT_EQ(settled, rounds);
  expect_all_settled(pool, rounds + values, 0, cancels);
}

TYPED_TEST(futures, outlive_their_pool_and_may_be_cancelled_after_it) {
  std::optional<future<int>> done, dropped;
  {
    scratch files;  // outlives the task that writes there
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .close = {.on_destroy = on_destroy::cancel}});
    done = pool.submit(echo, 8);
    done->wait();
    dropped = pool.submit(until_stopped, files("begun"), files("seen"));
  }
  done->cancel();
  dropped->cancel();
  EXPECT_EQ(done->get(), 8);
  EXPECT_TRUE(dropped->ready());
  auto late = std::move(*dropped).then([](future<int> f) { return outcome_of(f).has_value(); });
  EXPECT_TRUE(late.ready());
}

}  // namespace
}  // namespace muster::test
