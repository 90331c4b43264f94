// SPDX-License-Identifier: MIT
#pragma once

/// Tasks as asynchronous operations of Asio. Needs Asio 1.22 or later without Boost (Debian: libasio-dev),
/// which who includes this header brings along; nothing else of muster needs it.
///
///     asio::awaitable<void> serve(muster::process_pool& pool, std::string path) {
///       photo p = co_await muster::async_submit(pool, asio::use_awaitable, shrink, path, 200);
///     }
///     std::future<int> f = muster::async_submit(pool, asio::use_future, echo, 7);
///     muster::async_submit(pool, [](std::exception_ptr error, int value) { … }, echo, 7);
///
/// The completion has the signature void(std::exception_ptr, R), or void(std::exception_ptr) for tasks
/// without a result; R must be default-constructible, which is what comes beside an error. The error is the
/// task's own exception or a muster::error, also where the task was not accepted: that is a completion too,
/// not an exception of async_submit. The handler runs on its associated executor, never inside async_submit,
/// and keeps that executor's context at work until it has run.
///
/// A cancellation slot that is connected to the handler cancels the task as future::cancel does; which type
/// of cancellation was asked for makes no difference. The pool's queue is waited for as its options say, so
/// where async_submit shall never block, choose when_full::reject.
///
/// The pool must outlive the call to async_submit, not the operation: what a pool that ends has cancelled
/// completes with that error.

#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <muster/future.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>

namespace muster {

namespace detail {

template <class R>
struct asio_completion {
  static_assert(
      std::is_default_constructible_v<R>,
      "muster: the result of async_submit must be default-constructible; that is what comes beside an "
      "error.");
  using signature = void(std::exception_ptr, R);
  template <class Handler>
  static void call(Handler& handler, future<R>& ready) {
    std::exception_ptr error;
    std::optional<R> value;
    try {
      value.emplace(ready.get());
    } catch (...) {
      error = std::current_exception();
    }
    if (value)
      std::move(handler)(std::exception_ptr(), std::move(*value));
    else
      std::move(handler)(std::move(error), R());
  }
};
template <>
struct asio_completion<void> {
  using signature = void(std::exception_ptr);
  template <class Handler>
  static void call(Handler& handler, future<void>& ready) {
    std::exception_ptr error;
    try {
      ready.get();
    } catch (...) {
      error = std::current_exception();
    }
    std::move(handler)(std::move(error));
  }
};

/// One operation: the handler, and what keeps its executor at work.
template <class R, class Handler>
struct asio_operation {
  using executor_type = asio::associated_executor_t<Handler>;
  explicit asio_operation(Handler h)
      : handler(std::move(h)), executor(asio::get_associated_executor(handler)), work(executor) {}

  /// On whatever thread.
  static void complete(std::unique_ptr<asio_operation> self, future<R> ready) {
    const auto executor = self->executor;
    asio::post(executor, [self = std::move(self), ready = std::move(ready)]() mutable {
      asio::get_associated_cancellation_slot(self->handler).clear();
      Handler handler = std::move(self->handler);
      const auto work = std::move(self->work);
      self.reset();  // its memory may serve what the handler begins
      asio_completion<R>::call(handler, ready);
    });
  }

  Handler handler;
  executor_type executor;
  asio::executor_work_guard<executor_type> work;
};

template <class R>
struct asio_start {
  template <class Handler, class Submit>
  void operator()(Handler handler, Submit submit) const {
    auto operation = std::make_unique<asio_operation<R, Handler>>(std::move(handler));
    std::optional<future<R>> task;
    try {
      task.emplace(submit());
    } catch (...) {
      return asio_operation<R, Handler>::complete(std::move(operation),
                                                  failed_future<R>(std::current_exception()));
    }
    auto slot = asio::get_associated_cancellation_slot(operation->handler);
    if (slot.is_connected()) {
      auto target = task_ref<>::share(future_access::task_of(*task));
      slot.assign([target](asio::cancellation_type) { cancel(*target); });
    }
    (void)std::move(*task).then([operation = std::move(operation)](future<R> ready) mutable {
      asio_operation<R, Handler>::complete(std::move(operation), std::move(ready));
    });
  }
};

template <class>
struct value_of_future;
template <class R>
struct value_of_future<future<R>> {
  using type = R;
};

// The parts of the call are kept until the operation is initiated, which may be later.
template <class Pool, class Token, class... Parts>
auto initiate_submit(Pool& pool, Token&& token, Parts... parts) {
  using result = typename value_of_future<decltype(pool.submit(std::move(parts)...))>::type;
  return asio::async_initiate<Token, typename asio_completion<result>::signature>(
      [&pool](auto handler, std::tuple<Parts...> kept) {
        asio_start<result>()(std::move(handler), [&] {
          return std::apply([&](auto&... each) { return pool.submit(std::move(each)...); }, kept);
        });
      },
      token, std::tuple<Parts...>(std::move(parts)...));
}

}  // namespace detail

/// Runs f(args...) on the pool and completes `token` with what it ends with.
template <class Pool, class Token, class F, class... Args>
  requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
auto async_submit(Pool& pool, Token&& token, F&& f, Args&&... args) {
  return detail::initiate_submit<Pool, Token, std::decay_t<F>, detail::stored_argument_t<Args>...>(
      pool, std::forward<Token>(token), std::forward<F>(f), std::forward<Args>(args)...);
}
/// The same with options.
template <class Pool, class Token, class F, class... Args>
auto async_submit(Pool& pool, Token&& token, task_options options, F&& f, Args&&... args) {
  return detail::initiate_submit<Pool, Token, task_options, std::decay_t<F>,
                                 detail::stored_argument_t<Args>...>(
      pool, std::forward<Token>(token), std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace muster
