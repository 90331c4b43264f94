// SPDX-License-Identifier: MIT
#pragma once

/// The result of a task, now or later: a value, the task's own exception, or a muster::error.
///
/// A future is a handle: moving it is cheap, dropping it neither blocks nor cancels. One thread at a time may
/// use a given future; the task itself may settle on any thread meanwhile. A future that is not valid (made
/// without a task, moved from, or used up by get, then or co_await) can be asked valid(), assigned to and
/// destroyed; everything else throws std::future_error with std::future_errc::no_state.

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <muster/error.hpp>
#include <muster/task.hpp>

namespace muster {

/// Where and when a task ran.
struct task_report {
  int attempts = 0;                  ///< 0: it never began.
  std::optional<unsigned> worker{};  ///< The slot of the worker that had it last.
  /// When its last attempt began, as the pool saw it: of calls so short that several are answered at once,
  /// not before the pool heard of them. None: it never began.
  std::optional<std::chrono::steady_clock::time_point> began{};
  std::chrono::steady_clock::time_point ended{};  ///< When it settled.
};

template <class T>
class [[nodiscard]] future {
public:
  future() = default;
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;

  /// False where it was made without a task, and after get, then, co_await, or a move.
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(task_); }
  /// True once get would not block.
  [[nodiscard]] bool ready() const { return state().settled(); }
  /// The task's number; 0 for the result of `then`.
  [[nodiscard]] std::uint64_t task() const { return state().id; }

  /// Blocks until the task has settled. Inside a task of the same pool it runs the task waited for, where
  /// that has not begun; it throws would_deadlock where waiting could never end.
  void wait() const { detail::wait_until(state(), std::nullopt); }
  /// False: not settled after `longest`.
  [[nodiscard]] bool wait_for(duration longest) const {
    return detail::wait_until(state(), detail::from_now(longest));
  }

  /// Waits, then returns the value or throws what the task ended with. Once: the future is not valid
  /// afterwards.
  T get() {
    detail::task& waited_for = state();
    const auto task = std::move(task_);
    detail::wait_until(waited_for, std::nullopt);
    return take(waited_for);
  }

  /// Asks that the task does not run, or stops. Does not block; harmless when the task has settled.
  ///
  /// - A task that has not begun never does: it settles as `cancelled`, at once.
  /// - One that runs is told by its stop token, and keeps its future until the pool's `grace` is over: what
  /// it
  ///   returns or throws by then is its outcome, and counts as that (a value as succeeded). Then it settles
  ///   as `cancelled`, and its worker, where that is a process, is ended (process_options::stop).
  /// - The result of `then` settles at once, and its f is skipped where it has not begun; the task before it
  ///   goes on.
  void cancel() { detail::cancel(state()); }

  /// Waits, then says where and when the task ran; before get. None where task_options::report was not set.
  [[nodiscard]] std::optional<task_report> report() const {
    wait();
    const detail::task& t = state();
    if (!t.is(detail::task::reported) || !t.extras->times->report) return std::nullopt;
    task_report made{.attempts = t.extras->times->attempts, .ended = t.extras->times->ended};
    if (made.attempts == 0) return made;
    made.worker = t.extras->times->ran_on;
    if (const auto began = t.extras->times->began.load(std::memory_order_relaxed); began != 0)
      made.began = detail::time_point(detail::time_point::duration(began));
    return made;
  }

  /// Waits, then gives what the task printed, also where it crashed; before get. None where
  /// task_options::capture was not set, where the task never began, and where it settled before its attempt
  /// ended (by a timeout or a cancel).
  [[nodiscard]] std::optional<task_output> output() const {
    wait();
    const auto& extras = state().extras;
    return extras && extras->output ? std::optional(*extras->output) : std::nullopt;
  }

  /// Runs `f` when the task has settled, on the pool's callback executor, and returns a future of its result.
  /// f takes the value (nothing for void) and is skipped when the task failed, the failure going to the
  /// returned future; or f takes a `future<T>`, ready, and sees either. This future is not valid afterwards.
  template <class F>
  auto then(F f);

  /// `co_await std::move(f)` suspends until the task has settled and gives what get would give. The coroutine
  /// goes on on the pool's callback executor.
  auto operator co_await() &&;

private:
  template <class>
  friend class future;
  friend struct future_access;

  explicit future(detail::task_ref<> task) : task_(std::move(task)) {}

  detail::task& state() const {
    if (!task_) detail::throw_no_state();
    return *task_;
  }

  static T take(detail::task& task) {
    if (task.error) {
      if (task.extras && task.extras->shares_error) std::rethrow_exception(task.error);
      std::rethrow_exception(std::move(task.error));  // read once; it ends where it is caught
    }
    if constexpr (std::is_void_v<T>) {
      task.ops->take(task, nullptr);
    } else {
      std::optional<T> value;
      task.ops->take(task, &value);
      return std::move(*value);
    }
  }

  detail::task_ref<> task_;
};

// ------------------------------------------------------------------------------------------------
// implementation

/// Makes futures; for pools.
struct future_access {
  template <class T>
  static future<T> make(detail::task_ref<> task) {
    return future<T>(std::move(task));
  }
  template <class T>
  static detail::task& task_of(future<T>& f) {
    return *f.task_;
  }
};

namespace detail {

/// The task behind the future that `then` returns: it runs f on the executor once `before` has settled.
template <class T, class F>
struct then_traits {
  static constexpr bool takes_future = std::invocable<F, future<T>>;
  static auto call(F& f, future<T>&& ready) {
    if constexpr (takes_future)
      return std::invoke(f, std::move(ready));
    else if constexpr (std::is_void_v<T>)
      return ready.get(), std::invoke(f);
    else
      return std::invoke(f, ready.get());
  }
  using result = decltype(call(std::declval<F&>(), std::declval<future<T>>()));
};

template <class T, class F>
struct then_task final : value_task<typename then_traits<T, F>::result>, continuation {
  using result = typename then_traits<T, F>::result;
  static inline const task_ops operations{
      .run = nullptr,
      .take = &value_task<result>::take,
      .call = nullptr,
      .destroy = [](task* t) noexcept { delete static_cast<then_task*>(t); },
  };
  then_task(F f, task_ref<> goes_on_from)
      : value_task<result>(operations), f_(std::move(f)), before_(std::move(goes_on_from)) {
    this->mark(task::is_continuation);
    this->previous = before_.get();
    this->home = before_->home;
    continuation::run = [](continuation* c, task& before) noexcept {
      auto& self = *static_cast<then_task*>(c);
      if (self.settled()) return release(self);  // it was cancelled
      try {
        auto ready = future_access::make<T>(task_ref<>::share(before));
        if constexpr (std::is_void_v<result>) {
          then_traits<T, F>::call(self.f_, std::move(ready));
          if (self.claim()) publish(self);
        } else {
          auto value = then_traits<T, F>::call(self.f_, std::move(ready));
          if (self.claim()) {
            self.emplace(std::move(value));
            publish(self);
          }
        }
      } catch (...) {
        settle_with_error(self, std::current_exception());
      }
      release(self);
    };
  }
  F f_;
  task_ref<> before_;
};

template <class T>
struct future_awaiter : continuation {
  explicit future_awaiter(task_ref<> t) : task(std::move(t)) {}
  [[nodiscard]] bool await_ready() const noexcept { return task->settled(); }
  void await_suspend(std::coroutine_handle<> h) {
    handle = h;
    run = [](continuation* c, detail::task&) noexcept { static_cast<future_awaiter*>(c)->handle.resume(); };
    attach(*task, this);
  }
  T await_resume() { return future_access::make<T>(std::move(task)).get(); }
  task_ref<> task;
  std::coroutine_handle<> handle{};
};

}  // namespace detail

template <class T>
template <class F>
auto future<T>::then(F f) {
  using next = detail::then_task<T, F>;
  state();
  auto before = std::move(task_);
  auto* created = new next(std::move(f), before);
  auto result = future_access::make<typename next::result>(detail::task_ref<>::share(*created));
  detail::attach(*before, created);  // the continuation owns the other reference
  return result;
}

template <class T>
auto future<T>::operator co_await() && {
  state();
  return detail::future_awaiter<T>(std::move(task_));
}

}  // namespace muster
