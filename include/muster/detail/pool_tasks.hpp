// SPDX-License-Identifier: MIT
#pragma once

/// The tasks that pools make of calls: one that is run in a thread of this process, and one that is sent to
/// another process.

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/stream.hpp>
#include <muster/task.hpp>

namespace muster::detail {

template <class Result>
struct made_task {
  using result = Result;
  task_ref<> task;
  bool again;  // it can run more than once
};

/// Whether a T can be copied. Containers of the standard say that they can whatever they hold, so their
/// elements are asked too.
template <class T>
consteval bool can_be_copied();
template <class T>
inline constexpr bool parts_can_be_copied = true;
template <class A, class B>
inline constexpr bool parts_can_be_copied<std::pair<A, B>> = can_be_copied<A>() && can_be_copied<B>();
template <class... Ts>
inline constexpr bool parts_can_be_copied<std::tuple<Ts...>> = (can_be_copied<Ts>() && ... && true);
template <class T>
consteval bool can_be_copied() {
  if constexpr (!std::is_copy_constructible_v<T>) {
    return false;
  } else if constexpr (in_std<T>() && requires { typename T::value_type; }) {
    if constexpr (std::same_as<typename T::value_type, T>)
      return true;
    else
      return can_be_copied<typename T::value_type>();
  } else {
    return parts_can_be_copied<T>;
  }
}

template <class F, class... Args>
consteval bool takes_yielder() {
  if constexpr (std::is_void_v<chunk_t<F>>)
    return false;
  else
    return std::is_invocable_v<F&, yielder<chunk_t<F>>&, Args...>;
}
template <class F, class... Args>
inline constexpr bool yields = takes_yielder<F, Args...>();

/// A call with its arguments, to be run in a thread.
template <class R, class F, class... Args>
struct closure_task final : value_task<R> {
  static constexpr bool plain = std::is_invocable_v<F&, Args...>;
  static constexpr bool with_stop = !plain && std::is_invocable_v<F&, std::stop_token, Args...>;
  static constexpr bool copyable = (can_be_copied<Args>() && ... && true);

  template <class G, class... As>
  explicit closure_task(G&& g, As&&... as)
      : value_task<R>(operations), function(std::forward<G>(g)), arguments(std::forward<As>(as)...) {}

  static ran run(task& t, context& about, bool again, std::exception_ptr& error) {
    auto& self = static_cast<closure_task&>(t);
    try {
      if constexpr (std::is_void_v<R>) {
        self.call(about, again);
        return self.claim() ? ran::stored : ran::late;
      } else {
        R value = self.call(about, again);
        if (!self.claim()) return ran::late;
        self.emplace(std::move(value));
        return ran::stored;
      }
    } catch (...) {
      error = std::current_exception();
      return ran::threw;
    }
  }

  R call([[maybe_unused]] context& about, [[maybe_unused]] bool again) {
    if constexpr (copyable && sizeof...(Args) > 0) {
      if (again)
        return std::apply([&](const Args&... as) -> R { return invoke(about, Args(as)...); }, arguments);
    }
    return std::apply([&](Args&... as) -> R { return invoke(about, std::move(as)...); }, arguments);
  }
  template <class... As>
  R invoke(context& about, As&&... as) {
    return call_function(function, about, std::forward<As>(as)...);
  }
  template <class... As>
  static R call_function(F& function, [[maybe_unused]] context& about, As&&... as) {
    if constexpr (plain)
      return std::invoke(function, std::forward<As>(as)...);
    else if constexpr (with_stop)
      return std::invoke(function, about.stop(), std::forward<As>(as)...);
    else if constexpr (yields<F, Args...>) {
      yielder<chunk_t<F>> out(about);
      return std::invoke(function, out, std::forward<As>(as)...);
    } else
      return std::invoke(function, about, std::forward<As>(as)...);
  }

  // What can be copied is still there after a run that was not the last one.
  static consteval auto again_with() -> task* (*)(task&) {
    if constexpr (copyable && std::is_move_constructible_v<F> && !yields<F, Args...>)
      return [](task& t) -> task* {
        auto& self = static_cast<closure_task&>(t);
        return std::apply(
            [&](Args&... as) -> task* {
              return new closure_task(std::move(self.function), std::move(as)...);
            },
            self.arguments);
      };
    else
      return nullptr;
  }

  static inline const task_ops operations{
      .run = &run,
      .take = &value_task<R>::take,
      .call = nullptr,
      .destroy = [](task* t) noexcept { delete static_cast<closure_task*>(t); },
      .again = again_with(),
      .result = &typeid(R),
  };
  F function;
  [[no_unique_address]] std::tuple<Args...> arguments;
};

template <class F, class... Args>
struct closure_traits {
  static constexpr bool callable = std::is_invocable_v<F&, Args...> ||
                                   std::is_invocable_v<F&, std::stop_token, Args...> ||
                                   std::is_invocable_v<F&, context&, Args...> || yields<F, Args...>;
  static auto result_of() {
    if constexpr (std::is_invocable_v<F&, Args...>)
      return std::type_identity<std::invoke_result_t<F&, Args...>>();
    else if constexpr (std::is_invocable_v<F&, std::stop_token, Args...>)
      return std::type_identity<std::invoke_result_t<F&, std::stop_token, Args...>>();
    else if constexpr (std::is_invocable_v<F&, context&, Args...>)
      return std::type_identity<std::invoke_result_t<F&, context&, Args...>>();
    else if constexpr (yields<F, Args...>)
      return std::type_identity<std::invoke_result_t<F&, yielder<chunk_t<F>>&, Args...>>();
    else
      return std::type_identity<void>();
  }
  using result = typename decltype(result_of())::type;
  using task_type = closure_task<result, F, Args...>;
};

/// What check_call is for processes.
template <class F, class... Args>
consteval void check_closure() {
  using traits = closure_traits<F, Args...>;
  static_assert(
      traits::callable,
      "muster: this cannot be called with these arguments. They arrive as rvalues of their decayed types; "
      "pass a reference with std::ref.");
  static_assert(
      !std::is_reference_v<typename traits::result>,
      "muster: the task returns a reference. Return a value, or a pointer or std::reference_wrapper if what "
      "it refers to outlives the future.");
}

// What a call of F with these arguments gives on a thread pool or a process pool, and whether it is allowed
// at all; where it is not, to ask says why.
template <class F, class... Args>
struct closure_call {
  using traits = closure_traits<F, std::decay_t<Args>...>;
  using result = typename traits::result;
  static constexpr bool allowed =
      (check_closure<F, std::decay_t<Args>...>(), traits::callable && !std::is_reference_v<result>);
};
template <class F, class... Args>
struct crossing_call_to {
  using described = signature<F, Args...>;
  using result = typename described::result;
  static constexpr bool allowed = (check_call<F, Args...>(), described::why == refusal::none);
};

/// A call to another process: how to name it there, its encoded arguments, later its encoded result.
template <class R>
struct call_task final : task {
  crossing_call crossing;

  explicit call_task(crossing_call what) : task(operations), crossing(std::move(what)) {}
  static void take(task& t, [[maybe_unused]] void* out) {
    if constexpr (!std::is_void_v<R>) {
      const crossing_call& result = static_cast<call_task&>(t).crossing;
      // What the result does not name goes back, whether it can be read or not.
      std::vector<block_ref> blocks;
      if (result.blocks) blocks.swap(*result.blocks);
      reader in(result.data.view(), result.handles ? std::span(*result.handles) : std::span<unique_fd>(),
                blocks);
      static_cast<std::optional<R>*>(out)->emplace(codec<R>::decode(in));
      in.finish();
    }
  }
  static inline const task_ops operations{
      .run = nullptr,
      .take = &take,
      .call = [](task& t) -> crossing_call& { return static_cast<call_task&>(t).crossing; },
      .destroy = [](task* t) noexcept { delete static_cast<call_task*>(t); },
      .again = [](task& t) -> task* {
        auto& given = static_cast<call_task&>(t).crossing;
        return new call_task({.thunk = given.thunk, .target = given.target, .data = std::move(given.data)});
      },
      .result = &typeid(R),
  };
};

}  // namespace muster::detail
