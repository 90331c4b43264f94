// SPDX-License-Identifier: MIT
//
// What a call is when it goes to another process: which function, which argument types it stores, what it
// returns, and a thunk (one function of a uniform type) that unpacks the arguments there, calls, and packs
// the result. Everything here is decided at compile time or works on the caller's thread; nothing is kept.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <muster/codec.hpp>
#include <muster/detail/stored_types.hpp>

namespace muster {

class context;
template <class T>
class yielder;

namespace detail {

/// How far a thunk has come: it tells a worker whether what was thrown came from the task itself.
enum class call_stage : unsigned char { reading_arguments, running, writing_result };

/// All that a thunk is given.
struct call_site {
  const void* target;  // the function, when it was named by a pointer; null for a lambda or function object
  reader& arguments;
  writer& result;
  std::stop_token stop;
  context* ctx;
  call_stage stage = call_stage::reading_arguments;
};

using thunk_function = void (*)(call_site&);

/// What a function wants first, which the worker supplies and the caller does not pass.
enum class injection : unsigned char { nothing, stop_token, context, yielder };

enum class refusal : unsigned char {
  none,
  lambda_with_captures,
  stateful_object,
  empty_but_unmakeable,
  member_pointer,
  wrapped_function,
  not_callable,
  wrong_count,
  argument_not_convertible,
  generic_not_callable,
  c_variadic,
  pointer_parameter,
  reference_parameter,
  view_parameter,
  unsendable_parameter,
  unsendable_chunk,
  reference_result,
  pointer_result,
  view_result,
  unsendable_result,
};

template <class... Ts>
struct type_list {
  static constexpr std::size_t size = sizeof...(Ts);
};

// Taking function types apart.

template <class T>
struct function_parts {
  static constexpr bool known = false;
};

template <class R, class... Ps>
struct known_parts {
  static constexpr bool known = true;
  static constexpr bool c_variadic = false;
  using result = R;
  using parameters = type_list<Ps...>;
};

template <class R, class... Ps>
struct function_parts<R(Ps...)> : known_parts<R, Ps...> {};
template <class R, class... Ps>
struct function_parts<R(Ps...) noexcept> : known_parts<R, Ps...> {};
template <class R, class... Ps>
struct function_parts<R(Ps..., ...)> : known_parts<R, Ps...> {
  static constexpr bool c_variadic = true;
};
template <class R, class... Ps>
struct function_parts<R(Ps..., ...) noexcept> : function_parts<R(Ps..., ...)> {};

template <class T>
struct operator_parts {
  static constexpr bool known = false;
};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...)> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) const> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) noexcept> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) const noexcept> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...)&> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) const&> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) & noexcept> : known_parts<R, Ps...> {};
template <class C, class R, class... Ps>
struct operator_parts<R (C::*)(Ps...) const & noexcept> : known_parts<R, Ps...> {};

template <class F>
struct call_operator {
  static constexpr bool known = false;
};
template <class F>
  requires requires { &F::operator(); }
struct call_operator<F> : operator_parts<decltype(&F::operator())> {};

template <class F>
consteval auto parts_of() {
  if constexpr (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) {
    return std::type_identity<function_parts<std::remove_pointer_t<F>>>();
  } else {
    return std::type_identity<call_operator<F>>();
  }
}

// Recognising what cannot cross, so that each gets its own sentence.

template <class T>
inline constexpr bool is_string_view = false;
template <class C, class Traits>
inline constexpr bool is_string_view<std::basic_string_view<C, Traits>> = character<C>;

/// Something that refers to elements it does not own. string_view is one, but has an owner to arrive in.
template <class T>
inline constexpr bool is_span = false;
template <class T, std::size_t N>
inline constexpr bool is_span<std::span<T, N>> = true;

template <class T>
consteval std::string_view name_of() {
  constexpr std::string_view name = __PRETTY_FUNCTION__;
  return name.substr(name.find("T = ") + 4);
}

/// std::function and its kin, and reference_wrapper, are told by name: the header they share is large.
template <class T>
consteval bool is_wrapped_function() {
  constexpr std::string_view name = name_of<T>();
  return name.starts_with("std::function<") || name.starts_with("std::move_only_function<") ||
         name.starts_with("std::copyable_function<") || name.starts_with("std::__1::function<");
}

template <class T>
inline constexpr bool is_reference_wrapper = name_of<T>().starts_with("std::reference_wrapper<") ||
                                             name_of<T>().starts_with("std::__1::reference_wrapper<");

template <class T>
consteval bool is_lambda() {
  constexpr std::string_view rest = name_of<T>();
  // g++ says "main()::<lambda(int)>", clang "(lambda at file.cpp:3:5)".
  return rest.find("<lambda") != std::string_view::npos || rest.find("(lambda at") != std::string_view::npos;
}

/// P is a parameter, by which the function is given the stored value as an rvalue.
template <class P>
consteval refusal judge_parameter() {
  using plain = std::remove_cvref_t<P>;
  if constexpr (std::is_pointer_v<plain> || std::is_member_pointer_v<plain> ||
                std::is_null_pointer_v<plain>) {
    return refusal::pointer_parameter;
  } else if constexpr (is_wrapped_function<plain>()) {
    return refusal::wrapped_function;
  } else if constexpr ((is_span<plain> && !is_span_in_place<plain>) || is_reference_wrapper<plain>) {
    return refusal::view_parameter;
  } else if constexpr (std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>) {
    return refusal::reference_parameter;
  } else if constexpr (!crosses<stored_parameter_t<P>>) {
    return refusal::unsendable_parameter;
  } else {
    return refusal::none;
  }
}

template <class R>
consteval refusal judge_result() {
  using plain = std::remove_cvref_t<R>;
  if constexpr (std::is_void_v<R>) {
    return refusal::none;
  } else if constexpr (std::is_reference_v<R> || is_reference_wrapper<plain>) {
    return refusal::reference_result;
  } else if constexpr (std::is_pointer_v<plain> || std::is_member_pointer_v<plain> ||
                       std::is_null_pointer_v<plain>) {
    return refusal::pointer_result;
  } else if constexpr (is_span<plain> || is_string_view<plain>) {
    return refusal::view_result;
  } else if constexpr (!crosses<plain>) {
    return refusal::unsendable_result;
  } else {
    return refusal::none;
  }
}

/// Whether the argument becomes the parameter as it would in an ordinary call.
template <class A, class P>
inline constexpr bool argument_fits =
    std::is_convertible_v<A, std::remove_cvref_t<P>> || std::is_convertible_v<A, stored_parameter_t<P>>;

template <class... Rs>
consteval refusal first_refusal(Rs... refusals) {
  refusal first = refusal::none;
  ((first == refusal::none ? void(first = refusals) : void()), ...);
  return first;
}

template <class List>
struct without_injection {
  static constexpr injection injected = injection::nothing;
  using rest = List;
  using chunk = void;
};
template <class P, class... Ps>
  requires std::same_as<std::remove_cvref_t<P>, std::stop_token>
struct without_injection<type_list<P, Ps...>> {
  static constexpr injection injected = injection::stop_token;
  using rest = type_list<Ps...>;
  using chunk = void;
};
template <class... Ps>
struct without_injection<type_list<context&, Ps...>> {
  static constexpr injection injected = injection::context;
  using rest = type_list<Ps...>;
  using chunk = void;
};
template <class T, class... Ps>
struct without_injection<type_list<yielder<T>&, Ps...>> {
  static constexpr injection injected = injection::yielder;
  using rest = type_list<Ps...>;
  using chunk = T;
};

/// The T of the yielder<T>& that F takes first; void where it takes none, or does not name it.
template <class F>
consteval auto chunk_of() {
  using parts = typename decltype(parts_of<F>())::type;
  if constexpr (parts::known) {
    return std::type_identity<typename without_injection<typename parts::parameters>::chunk>();
  } else {
    return std::type_identity<void>();
  }
}
template <class F>
using chunk_t = typename decltype(chunk_of<F>())::type;

template <class Chunk>
consteval bool chunk_crosses() {
  if constexpr (std::is_void_v<Chunk>) {
    return true;
  } else {
    return crosses<Chunk>;
  }
}

/// A call as it is stored: `Stored` are the types that cross, in order.
template <class R, injection Injected, class... Stored>
struct call_shape {
  using result = R;
  using stored = std::tuple<Stored...>;
  static constexpr injection injected = Injected;
};

/// Stands for the shape of a call that is refused.
using no_shape = call_shape<void, injection::nothing>;

template <class F>
consteval refusal judge_callable() {
  if constexpr (std::is_member_pointer_v<F>) {
    return refusal::member_pointer;
  } else if constexpr (is_wrapped_function<F>()) {
    return refusal::wrapped_function;
  } else if constexpr (std::is_class_v<F> && !std::is_empty_v<F>) {
    return is_lambda<F>() ? refusal::lambda_with_captures : refusal::stateful_object;
  } else if constexpr (std::is_class_v<F> && !std::default_initializable<F> &&
                       !std::is_trivially_copyable_v<F>) {
    return refusal::empty_but_unmakeable;
  } else if constexpr (!std::is_class_v<F> &&
                       !(std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>)) {
    return refusal::not_callable;
  } else {
    return refusal::none;
  }
}

// A callable with one known list of parameters: arguments are converted to them before they cross.

template <class R, injection Injected, class Parameters, class Arguments>
struct exact_call;

template <class R, injection Injected, class... Ps, class... Args>
struct exact_call<R, Injected, type_list<Ps...>, type_list<Args...>> {
  static consteval refusal judge() {
    if constexpr (sizeof...(Ps) != sizeof...(Args)) {
      return refusal::wrong_count;
    } else {
      return first_refusal(judge_parameter<Ps>()...,
                           (argument_fits<Args, Ps> ? refusal::none : refusal::argument_not_convertible)...,
                           judge_result<R>());
    }
  }
  static consteval auto make_shape() {
    return std::type_identity<call_shape<std::remove_cvref_t<R>, Injected, stored_parameter_t<Ps>...>>();
  }
};

// A generic callable: the decayed arguments cross, and it is called with them.

template <class F, class... Args>
struct generic_call {
  // To ask whether a lambda can be called may compile its body, and an error there would be final. So the
  // next question is asked only after a no; and {} matches a parameter of a given type, but never one
  // declared auto.
  static consteval bool takes_stop_token() {
    if constexpr (requires(F& function, stored_argument_t<Args>&&... each) {
                    function({}, std::move(each)...);
                  }) {
      return std::is_invocable_v<F&, std::stop_token, stored_argument_t<Args>...>;
    } else {
      return false;
    }
  }
  template <class R, injection Injected>
  struct found {
    using result = R;
    static constexpr injection injected = Injected;
  };
  static consteval auto find() {
    if constexpr (std::is_invocable_v<F&, stored_argument_t<Args>...>) {
      return found<std::invoke_result_t<F&, stored_argument_t<Args>...>, injection::nothing>();
    } else if constexpr (takes_stop_token()) {
      return found<std::invoke_result_t<F&, std::stop_token, stored_argument_t<Args>...>,
                   injection::stop_token>();
    } else if constexpr (std::is_invocable_v<F&, context&, stored_argument_t<Args>...>) {
      return found<std::invoke_result_t<F&, context&, stored_argument_t<Args>...>, injection::context>();
    }
  }
  static consteval refusal judge() {
    constexpr refusal arguments =
        first_refusal((is_span<stored_argument_t<Args>> ? refusal::view_parameter
                                                        : judge_parameter<stored_argument_t<Args>>())...);
    if constexpr (arguments != refusal::none) {
      return arguments;
    } else if constexpr (std::is_void_v<decltype(find())>) {
      return refusal::generic_not_callable;
    } else {
      return judge_result<typename decltype(find())::result>();
    }
  }
  static consteval auto make_shape() {
    using called = decltype(find());
    return std::type_identity<call_shape<std::remove_cvref_t<typename called::result>, called::injected,
                                         stored_argument_t<Args>...>>();
  }
};

template <class F, class... Args>
consteval auto examine() {
  constexpr refusal callable = judge_callable<F>();
  if constexpr (callable != refusal::none) {
    return std::integral_constant<refusal, callable>();
  } else {
    using parts = typename decltype(parts_of<F>())::type;
    if constexpr (!parts::known) {
      return std::type_identity<generic_call<F, Args...>>();
    } else if constexpr (parts::c_variadic) {
      return std::integral_constant<refusal, refusal::c_variadic>();
    } else {
      using split = without_injection<typename parts::parameters>;
      if constexpr (!chunk_crosses<typename split::chunk>()) {
        return std::integral_constant<refusal, refusal::unsendable_chunk>();
      } else {
        return std::type_identity<
            exact_call<typename parts::result, split::injected, typename split::rest, type_list<Args...>>>();
      }
    }
  }
}

template <class Examined>
struct settled {  // refused before the arguments were looked at
  static constexpr refusal why = Examined::value;
  using shape = no_shape;
};

template <class Call, refusal Why = Call::judge()>
struct settled_call {
  static constexpr refusal why = Why;
  using shape = no_shape;
};
template <class Call>
struct settled_call<Call, refusal::none> {
  static constexpr refusal why = refusal::none;
  using shape = typename decltype(Call::make_shape())::type;
};
template <class Call>
struct settled<std::type_identity<Call>> : settled_call<Call> {};

/// The description of a call of F (decayed or not) with arguments of these types. Whether it can cross is
/// `why`; `result`, `stored` and `injected` mean something only when that is refusal::none (result is void
/// otherwise).
template <class F, class... Args>
struct signature {
  using function = std::decay_t<F>;
  using examined = settled<decltype(examine<function, Args...>())>;
  static constexpr refusal why = examined::why;
  using shape = typename examined::shape;
  using result = typename shape::result;
  using stored = typename shape::stored;
  static constexpr injection injected = shape::injected;
};

}  // namespace detail

/// What a call of F with these arguments returns from another process; void when it is refused.
template <class F, class... Args>
using call_result_t = typename detail::signature<F, Args...>::result;

}  // namespace muster

#include <muster/detail/check_call.hpp>
#include <muster/detail/thunk.hpp>
