// SPDX-License-Identifier: MIT
// Tasks as operations of Asio: with each kind of completion token, on both pools.
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <thread>

#include <muster/asio.hpp>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int fails(int value) { throw std::invalid_argument("value " + std::to_string(value)); }
std::size_t length(std::string text) { return text.size(); }

// The context comes before the pool, whose threads may still be in a post to it when its handlers have run.
template <class Pool>
struct asio_operations : testing::Test {};
TYPED_TEST_SUITE(asio_operations, both_pools, pool_names);

TYPED_TEST(asio_operations, call_a_handler_on_its_executor) {
  asio::io_context context;
  TypeParam pool(1);
  const auto here = std::this_thread::get_id();
  int value = 0, ends = 0;
  std::exception_ptr error;
  const auto on_value = [&](std::exception_ptr e, int v) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_FALSE(e);
    value = v;
    ++ends;
  };
  async_submit(pool, asio::bind_executor(context, on_value), {.priority = priority::high}, echo, 7);
  const auto on_error = [&](std::exception_ptr e, int) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    error = e;
    ++ends;
  };
  async_submit(pool, asio::bind_executor(context, on_error), fails, 3);
  const auto on_end = [&](std::exception_ptr e) { ends += e ? 100 : 1; };
  async_submit(pool, asio::bind_executor(context, on_end), nothing);
  context.run();  // it stays at work until all have ended
  EXPECT_EQ(ends, 3);
  EXPECT_EQ(value, 7);
  EXPECT_THROW(std::rethrow_exception(error), std::invalid_argument);
}

TYPED_TEST(asio_operations, give_futures_of_the_standard) {
  TypeParam pool(1);
  std::future<std::size_t> good = async_submit(pool, asio::use_future, length, "some text");
  std::future<int> bad = async_submit(pool, asio::use_future, fails, 1);
  std::future<void> empty = async_submit(pool, asio::use_future, nothing);
  EXPECT_EQ(good.get(), 9U);
  EXPECT_THROW(bad.get(), std::invalid_argument);
  empty.get();
}

// Asio 1.22 knows the coroutines of the standard where the compiler is GCC.
#ifdef ASIO_HAS_CO_AWAIT
TYPED_TEST(asio_operations, are_awaited_by_coroutines) {
  asio::io_context context;
  TypeParam pool(2);
  std::string told;
  const auto work = [&]() -> asio::awaitable<int> {
    int sum = 0;
    for (int i = 0; i < 20; ++i) sum += co_await async_submit(pool, asio::use_awaitable, echo, i);
    try {
      co_await async_submit(pool, asio::use_awaitable, fails, 5);
    } catch (const std::invalid_argument& e) {
      told = e.what();
    }
    co_await async_submit(pool, asio::use_awaitable, nothing);
    co_return sum;
  };
  int sum = 0;
  asio::co_spawn(context, work(), [&](std::exception_ptr, int s) { sum = s; });
  context.run();
  EXPECT_EQ(sum, 190);
  EXPECT_NE(told.find("value 5"), std::string::npos);
}
#endif

TYPED_TEST(asio_operations, are_cancelled_by_their_slot) {
  asio::io_context context;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  asio::cancellation_signal stop_running, stop_queued;
  std::optional<int> value;
  std::optional<error_code> queued;
  const auto on_value = [&](std::exception_ptr, int v) { value = v; };
  const auto on_queued = [&](std::exception_ptr e, int) {
    queued = code_of([&] { std::rethrow_exception(e); });
  };
  async_submit(pool,
               asio::bind_cancellation_slot(stop_running.slot(), asio::bind_executor(context, on_value)),
               until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  async_submit(pool,
               asio::bind_cancellation_slot(stop_queued.slot(), asio::bind_executor(context, on_queued)),
               note, files("log"), 1);
  stop_queued.emit(asio::cancellation_type::terminal);
  stop_running.emit(asio::cancellation_type::terminal);
  context.run();
  EXPECT_EQ(queued, error_code::cancelled);
  EXPECT_EQ(value, 1);  // it answered within its grace
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_TRUE(lines_of(files("log")).empty());
  pool.wait_idle();
}

TYPED_TEST(asio_operations, complete_with_the_reason_where_the_task_was_not_accepted) {
  asio::io_context context;
  TypeParam pool(1);
  pool.close();
  std::optional<error_code> code;
  const auto on_end = [&](std::exception_ptr e, int) { code = code_of([&] { std::rethrow_exception(e); }); };
  async_submit(pool, asio::bind_executor(context, on_end), echo, 1);
  EXPECT_FALSE(code);  // never inside the call
  context.run();
  EXPECT_EQ(code, error_code::pool_stopped);
}

TYPED_TEST(asio_operations, outlive_their_pool) {
  asio::io_context context;
  std::optional<error_code> code;
  bool done = false;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
    scratch files;
    async_submit(pool, asio::bind_executor(context, [&](std::exception_ptr, int) { done = true; }),
                 until_stopped, files("begun"), files("seen"));
    ASSERT_TRUE(appears(files("begun")));
    async_submit(
        pool,
        asio::bind_executor(
            context, [&](std::exception_ptr e, int) { code = code_of([&] { std::rethrow_exception(e); }); }),
        echo, 1);
    pool.stop(0s);
  }
  context.run();
  EXPECT_TRUE(done);
  EXPECT_EQ(code, error_code::pool_stopped);
}

TEST(asio_operations_of_threads, carry_what_can_only_be_moved) {
  asio::io_context context;
  thread_pool pool(1);
  int value = 0;
  const auto on_end = [&](std::exception_ptr, std::unique_ptr<int> p) { value = *p; };
  async_submit(
      pool, asio::bind_executor(context, on_end), [](std::unique_ptr<int> p) { return p; },
      std::make_unique<int>(4));
  context.run();
  EXPECT_EQ(value, 4);
}

}  // namespace
}  // namespace muster::test
