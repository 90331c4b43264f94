// SPDX-License-Identifier: MIT
//
// In which types parameters and arguments of a call travel to another process. Decided at compile time.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <muster/codec.hpp>

namespace muster {
namespace detail {

/// A row of characters or bytes that a parameter of type View sees where it arrived, for as long as the call
/// lasts. It travels as an Owner does.
template <class Owner, class View>
struct in_place {
  View view;

  explicit in_place(View seen) noexcept : view(seen) {}
  template <class Row>
    requires(!std::same_as<std::remove_cvref_t<Row>, in_place> && std::is_convertible_v<Row, View>)
  explicit in_place(Row&& row) : view(static_cast<Row&&>(row)) {}
  operator View() const noexcept { return view; }  // NOLINT: it is what the function takes
};

}  // namespace detail

template <class Owner, class View>
struct codec<detail::in_place<Owner, View>> {
  using row = detail::in_place<Owner, View>;
  static void encode(writer& out, const row& value) {
    out.write_size(value.view.size());
    out.write(value.view.data(), value.view.size());
  }
  static row decode(reader& in) {
    const std::size_t count = in.read_size();
    return row(View(reinterpret_cast<typename View::const_pointer>(in.skip(count)), count));
  }
};

namespace detail {

template <class T>
struct owner_of_row {
  using type = void;
};
template <class Owner, class View>
struct owner_of_row<in_place<Owner, View>> {
  using type = Owner;
};
/// As what it travels; void: it is no in_place.
template <class T>
using owner_of = typename owner_of_row<T>::type;

template <class T>
inline constexpr bool is_small_element =
    sizeof(T) == 1 && !std::same_as<T, bool> && (std::is_integral_v<T> || std::same_as<T, std::byte>);
template <class T>
inline constexpr bool is_span_in_place = false;
template <class T>
inline constexpr bool is_span_in_place<std::span<const T>> = is_small_element<T>;

/// In which type a parameter or argument travels.
template <class T>
struct stored_type {
  using type = T;
};
template <class C, class Traits>
struct stored_type<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};

/// The same for a parameter.
template <class T>
struct stored_parameter : stored_type<T> {};
template <>
struct stored_parameter<std::string_view> {
  using type = in_place<std::string, std::string_view>;
};
template <class T>
  requires is_small_element<T>
struct stored_parameter<std::span<const T>> {
  using type = in_place<std::vector<T>, std::span<const T>>;
};

/// The same for an argument to a generic callable, whose decayed type decides. A character array is a string.
template <class Decayed>
struct stored_argument : stored_type<Decayed> {};
template <class C>
  requires character<C>
struct stored_argument<const C*> {
  using type = std::basic_string<C>;
};
template <class C>
  requires character<C>
struct stored_argument<C*> {
  using type = std::basic_string<C>;
};

template <class P>
using stored_parameter_t = typename stored_parameter<std::remove_cvref_t<P>>::type;
template <class A>
using stored_argument_t = typename stored_argument<std::decay_t<A>>::type;

}  // namespace detail
}  // namespace muster
