// SPDX-License-Identifier: MIT
//
// Several elements of a map in one task (task_options::per_task), a frame: what it gives, how its elements
// cross to another process and back, and the function that the worker runs for it. Included by
// <muster/pool.hpp>. Each element has an outcome of its own; what befalls the task befalls all of them.
#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/detail/pool_tasks.hpp>

namespace muster::detail {

/// A value, or why there is none.
template <class R>
struct element_outcome {
  std::optional<R> value{};
  std::exception_ptr error{};
};

/// In the order of the elements.
template <class R>
struct frame {
  std::vector<element_outcome<R>> elements{};
};

template <class R>
inline constexpr bool is_frame = false;
template <class R>
inline constexpr bool is_frame<frame<R>> = true;

/// What comes next in the bytes of a frame: of its arguments `value` or `end`, of its results any.
enum class element_mark : unsigned char { end, value, failure };

/// Writes the exception that is being handled, in a catch block of the worker's.
void encode_element_failure(writer& out);
/// What was written so. Throws decode_error where it was not.
std::exception_ptr decode_element_failure(reader& in);
/// Thrown in a frame that was told to stop: nobody waits for it any more, or it is to run again as a whole.
[[noreturn]] void stop_between_elements();
/// Throws encode_error where something goes with descriptors or buffers.
inline void refuse_what_goes_beside(const writer& out) {
  if (out.has_anything_beside())
    refuse_value("an element of a map with task_options::per_task cannot hold descriptors or buffers");
}

/// Runs one element, whose result is `encode`d by the caller: whatever it throws is its own.
template <class Call>
void encode_element(writer& out, Call call) {
  const std::size_t before = out.size();
  try {
    encode(out, element_mark::value);
    call();
    refuse_what_goes_beside(out);
  } catch (...) {
    out.cut(before);
    encode(out, element_mark::failure);
    encode_element_failure(out);
  }
}

/// What the worker runs: as many calls as there are elements.
template <class F, class Shape>
struct frame_thunk_for;

template <class F, class R, injection Injected, class... Stored>
struct frame_thunk_for<F, call_shape<R, Injected, Stored...>> {
  static void run(call_site& site) {
    with_callable<F>(site.target, [&](auto& function) {
      while (decode<element_mark>(site.arguments) == element_mark::value) {
        if (site.stop.stop_requested()) stop_between_elements();
        site.stage = call_stage::reading_arguments;
        std::tuple<Stored...> arguments{codec<Stored>::decode(site.arguments)...};
        site.stage = call_stage::running;
        encode_element(site.result, [&] {
          const R result =
              thunk_for<F, call_shape<R, Injected, Stored...>>::invoke(site, function, arguments);
          codec<R>::encode(site.result, result);
        });
      }
    });
    site.arguments.finish();
    encode(site.result, element_mark::end);
  }
};

template <class F, class... Args>
using frame_thunk = frame_thunk_for<std::decay_t<F>, typename signature<F, Args...>::shape>;

/// What a thread runs: the same, without bytes between.
template <class R, class F, class Element, class... Extra>
struct frame_function {
  using closure = closure_task<R, F, Element, Extra...>;

  F function;
  [[no_unique_address]] std::tuple<Extra...> extra;

  // In tuples, because a vector of bool has no elements.
  frame<R> operator()(context& about, std::vector<std::tuple<Element>> elements) {
    frame<R> results;
    results.elements.reserve(elements.size());
    for (auto& [each] : elements) {
      if (about.stop().stop_requested()) stop_between_elements();
      auto& outcome = results.elements.emplace_back();
      try {
        std::apply(
            [&](const Extra&... more) {
              outcome.value.emplace(closure::call_function(function, about, std::move(each), Extra(more)...));
            },
            extra);
      } catch (...) {
        outcome.error = std::current_exception();
      }
    }
    return results;
  }
};

}  // namespace muster::detail

template <class R>
struct muster::codec<muster::detail::frame<R>> {
  // Only the worker writes one, element by element.
  static detail::frame<R> decode(reader& in) {
    detail::frame<R> results;
    for (;;) {
      const auto mark = muster::decode<detail::element_mark>(in);
      if (mark == detail::element_mark::end) return results;
      auto& outcome = results.elements.emplace_back();
      if (mark == detail::element_mark::value)
        outcome.value.emplace(codec<R>::decode(in));
      else if (mark != detail::element_mark::failure)
        detail::refuse_bytes("an element of a frame is neither a value nor a failure");
      else
        outcome.error = detail::decode_element_failure(in);
    }
  }
};
