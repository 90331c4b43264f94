// SPDX-License-Identifier: MIT
//
// Packing the arguments of a call on the owner's side, and the function that the worker runs to unpack and
// call; included by <muster/call.hpp>. encode_arguments runs on the submitting thread, a thunk in the worker
// process.
#pragma once

#include <muster/call.hpp>

namespace muster::detail {

/// Encodes `argument` as the type Stored, which it is converted to first unless its bytes are the same
/// anyway.
template <class Stored, class Argument>
void encode_as(writer& out, Argument&& argument) {
  using plain = std::remove_cvref_t<Argument>;
  if constexpr (std::same_as<plain, Stored>) {
    codec<Stored>::encode(out, argument);
  } else if constexpr (is_string<Stored>) {
    using view = std::basic_string_view<typename Stored::value_type, typename Stored::traits_type>;
    if constexpr (std::is_convertible_v<Argument&&, view>) {
      codec<Stored>::encode_view(out, static_cast<Argument&&>(argument));
    } else {
      const Stored converted = static_cast<Argument&&>(argument);
      codec<Stored>::encode(out, converted);
    }
  } else {
    // The caller's own conversion, as in a direct call, narrowing included.
    const auto converted = static_cast<Stored>(static_cast<Argument&&>(argument));
    codec<Stored>::encode(out, converted);
  }
}

/// The same; an rvalue gives up the descriptors and buffers it holds, as it would in a direct call.
template <class Stored, class Argument>
void encode_argument(writer& out, Argument&& argument) {
  constexpr bool may_hold_descriptors = !std::is_trivially_copyable_v<Stored> && !is_string<Stored> &&
                                        !block_shape<Stored> && std::same_as<Argument, Stored>;
  if constexpr (may_hold_descriptors) {
    const std::size_t before = out.handles().size() + out.blocks().size();
    encode_as<Stored>(out, argument);
    if (out.handles().size() + out.blocks().size() > before) {
      [[maybe_unused]] const Stored given_up(static_cast<Argument&&>(argument));
    }
  } else {
    encode_as<Stored>(out, static_cast<Argument&&>(argument));
  }
}

template <class Stored>
struct argument_packer;

template <class... Stored>
struct argument_packer<std::tuple<Stored...>> {
  template <class... Args>
  static void pack(writer& out, Args&&... arguments) {
    (encode_argument<Stored>(out, static_cast<Args&&>(arguments)), ...);
  }
};

/// Writes the arguments of a call of F. The call has passed check_call.
template <class F, class... Args>
void encode_arguments([[maybe_unused]] writer& out, Args&&... arguments) {
  argument_packer<typename signature<F, Args...>::stored>::pack(out, static_cast<Args&&>(arguments)...);
}

/// Passes the callable in a worker to `use`: the function at `target`, or a function object without data made
/// anew.
template <class F, class Use>
decltype(auto) with_callable([[maybe_unused]] const void* target, Use use) {
  if constexpr (std::is_pointer_v<F>) {
    F function = reinterpret_cast<F>(const_cast<void*>(target));
    return use(function);
  } else if constexpr (std::default_initializable<F>) {
    F function{};
    return use(function);
  } else {
    // A lambda with a capture default that captured nothing has no default constructor; it also has no bytes
    // to lose.
    struct nothing {};
    F function = std::bit_cast<F>(nothing());
    return use(function);
  }
}

template <class F, class Shape>
struct thunk_for;

template <class F, class R, injection Injected, class... Stored>
struct thunk_for<F, call_shape<R, Injected, Stored...>> {
  static void run(call_site& site) {
    // Braces: the arguments are decoded from left to right.
    std::tuple<Stored...> arguments{codec<Stored>::decode(site.arguments)...};
    site.arguments.finish();
    site.stage = call_stage::running;
    with_callable<F>(site.target, [&](auto& function) { call(site, function, arguments); });
  }

  /// The call itself, with what the function wants first.
  static decltype(auto) invoke([[maybe_unused]] call_site& site, auto& function,
                               std::tuple<Stored...>& arguments) {
    return std::apply(
        [&](Stored&... each) -> decltype(auto) {
          if constexpr (Injected == injection::stop_token) {
            return function(site.stop, std::move(each)...);
          } else if constexpr (Injected == injection::context) {
            return function(*site.ctx, std::move(each)...);
          } else if constexpr (Injected == injection::yielder) {
            yielder<chunk_t<F>> out(*site.ctx);
            return function(out, std::move(each)...);
          } else {
            return function(std::move(each)...);
          }
        },
        arguments);
  }

private:
  static void call(call_site& site, auto& function, std::tuple<Stored...>& arguments) {
    if constexpr (std::is_void_v<R>) {
      invoke(site, function, arguments);
      site.stage = call_stage::writing_result;
    } else {
      const R result = invoke(site, function, arguments);
      site.stage = call_stage::writing_result;
      codec<R>::encode(site.result, result);
    }
  }
};

/// `thunk<F, Args...>::run` is what the worker calls. Calls that store the same types share one thunk.
template <class F, class... Args>
using thunk = thunk_for<std::decay_t<F>, typename signature<F, Args...>::shape>;

/// The address by which the function itself is named, or null when the thunk's type already names it.
template <class F>
const void* target_of([[maybe_unused]] const F& function) noexcept {
  if constexpr (std::is_class_v<F>) {
    return nullptr;
  } else if constexpr (std::is_function_v<F>) {
    return reinterpret_cast<const void*>(&function);
  } else {
    return reinterpret_cast<const void*>(function);
  }
}

}  // namespace muster::detail
