// SPDX-License-Identifier: MIT
//
// How a value becomes bytes and bytes a value again, for calls that go to another process of the same
// program. `muster::codec<T>` is the customisation point. Built in are numbers, enums, strings, the standard
// containers, pair, tuple, optional, variant, unique_ptr, chrono, complex and filesystem::path of such, and
// muster::unique_fd;
// <muster/cereal.hpp> adds every type that cereal can serialise. All functions work on the caller's thread
// and keep no state of their own. The encoding is for two copies of one program on one machine: native byte
// order, not for storage.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <muster/bytes.hpp>

namespace muster {

/// Specialise this for a type of your own:
///   static void encode(muster::writer& out, const T& value);
///   static T decode(muster::reader& in);
/// and use muster::encode(out, member) and muster::decode<Member>(in) inside.
///
/// Values may nest 256 deep, so that nobody's bytes can exhaust a stack: a deeper one is refused with
/// encode_error, such bytes with decode_error. What counts as a level is a container or a unique_ptr: a tree
/// of nodes that each hold a vector of nodes has one for each generation, whatever else the nodes hold. (What
/// cereal serialises counts besides, each object once.) A
/// type of yours that holds values of its own type through pointers of other kinds should keep a
/// `writer::nested` / `reader::nested` guard in each.
template <class T, class = void>
struct codec;

/// T can be sent to another process and back.
template <class T>
concept crosses = requires(writer& out, reader& in, const T& value) {
  codec<T>::encode(out, value);
  { codec<T>::decode(in) } -> std::same_as<T>;
};

/// Say `template <> inline constexpr bool muster::as_bytes<point> = true;` for a trivially copyable struct
/// without pointers, handles or bools in it: it then crosses as its bytes, and containers of it as one block.
template <class T>
inline constexpr bool as_bytes = false;

template <class T>
void encode(writer& out, const T& value) {
  codec<T>::encode(out, value);
}

template <class T>
T decode(reader& in) {
  return codec<T>::decode(in);
}

namespace detail {

/// Whether T is declared in namespace std. Containers are recognised by their shape, so that their headers
/// need not be included here; but a type of the user's that merely looks like a container may hold more than
/// its elements.
template <class T>
consteval bool in_std() {
  constexpr std::string_view name = __PRETTY_FUNCTION__;
  constexpr std::string_view key = "T = ";
  return name.substr(name.find(key) + key.size()).starts_with("std::");
}

struct anything {
  template <class U>
  operator U() const;
};

struct anything_but_a_pointer {
  template <class U>
    requires(!std::is_pointer_v<U> && !std::is_member_pointer_v<U>)
  operator U() const;
};

/// Whether a member of the aggregate T is a pointer, as far as aggregate initialisation shows it (the members
/// of members and those behind the 32nd are not seen).
template <class T, class... Before>
consteval bool shows_pointer() {
  if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T>) {
    return true;
  } else if constexpr (!std::is_aggregate_v<T> || std::is_array_v<T> || sizeof...(Before) >= 32) {
    return false;
  } else if constexpr (!requires { T{Before{}..., anything{}}; }) {
    return false;
  } else if constexpr (!requires { T{Before{}..., anything_but_a_pointer{}}; }) {
    return true;
  } else {
    return shows_pointer<T, Before..., anything>();
  }
}

template <class T>
concept character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                    std::same_as<T, char16_t> || std::same_as<T, char32_t>;

template <class T>
concept plain_enum = std::is_enum_v<T> && !std::same_as<std::underlying_type_t<T>, bool>;

template <class T>
concept opted_in = as_bytes<T> && !std::is_arithmetic_v<T> && !std::is_enum_v<T>;

template <class T>
concept complex_shape = std::is_class_v<T> && requires(const T& c) {
  { c.real() } -> std::same_as<typename T::value_type>;
  { c.imag() } -> std::same_as<typename T::value_type>;
} && in_std<T>() && !opted_in<T>;

/// Any bytes are a valid value of T, and its bytes are all there is to it. (bool is not: it has only two.)
template <class T>
concept flat =
    (std::is_arithmetic_v<T> && !std::same_as<T, bool>) || plain_enum<T> || opted_in<T> || complex_shape<T>;

template <class T>
inline constexpr bool is_string = false;
template <class C, class Traits, class Allocator>
inline constexpr bool is_string<std::basic_string<C, Traits, Allocator>> = character<C>;

template <class T>
concept sequence_shape =
    std::is_class_v<T> && !is_string<T> && requires(T& t, const T& c, typename T::value_type&& v) {
      c.begin() != c.end();
      c.size();
      t.push_back(static_cast<typename T::value_type&&>(v));
    } && in_std<T>();

template <class T>
concept bits_shape =
    sequence_shape<T> && std::same_as<typename T::value_type, bool> && requires(T& t) { t.flip(); };

template <class T>
concept block_shape = sequence_shape<T> && flat<typename T::value_type> &&
                      std::default_initializable<typename T::value_type> && requires(T& t, const T& c) {
                        { c.data() } -> std::same_as<const typename T::value_type*>;
                        t.resize(c.size());
                      };

template <class T>
concept forward_shape = std::is_class_v<T> && requires(T& t, const T& c, typename T::value_type&& v) {
  c.begin() != c.end();
  t.insert_after(t.before_begin(), static_cast<typename T::value_type&&>(v));
} && in_std<T>();

template <class T>
concept keyed_shape = std::is_class_v<T> && requires(T& t, const T& c, typename T::key_type&& k) {
  typename T::value_type;
  c.begin() != c.end();
  c.size();
  c.count(k);
  t.clear();
} && in_std<T>() && std::default_initializable<T>;

/// A comparison or hash that is a function pointer would be null in the copy.
template <class T>
consteval bool has_pointer_policy() {
  if constexpr (requires { typename T::key_compare; }) return std::is_pointer_v<typename T::key_compare>;
  if constexpr (requires { typename T::hasher; }) {
    return std::is_pointer_v<typename T::hasher> || std::is_pointer_v<typename T::key_equal>;
  }
  return false;
}

template <class T>
concept map_shape = keyed_shape<T> && !has_pointer_policy<T>() && requires { typename T::mapped_type; };

template <class T>
concept set_shape =
    keyed_shape<T> && !has_pointer_policy<T>() && std::same_as<typename T::key_type, typename T::value_type>;

template <class T>
concept duration_shape = std::is_class_v<T> && requires(const T& d) {
  typename T::period;
  { d.count() } -> std::same_as<typename T::rep>;
} && in_std<T>();

template <class T>
concept time_point_shape = std::is_class_v<T> && requires(const T& t) {
  typename T::clock;
  { t.time_since_epoch() } -> std::same_as<typename T::duration>;
} && in_std<T>();

template <class T>
concept path_shape = std::is_class_v<T> && requires(const T& p) {
  { p.native() } -> std::same_as<const typename T::string_type&>;
} && in_std<T>();

/// A unique_ptr with the default deleter to one object. What a pointer to a polymorphic class owns may be of
/// a derived class, of which the encoding would keep only the base.
template <class T>
concept owner_shape =
    std::is_class_v<T> &&
    requires(T& p) {
      typename T::element_type;
      typename T::deleter_type;
      { *p } -> std::same_as<typename T::element_type&>;
      { p.release() } -> std::same_as<typename T::element_type*>;
    } && in_std<T>() && in_std<typename T::deleter_type>() && std::is_empty_v<typename T::deleter_type> &&
    !(std::is_polymorphic_v<typename T::element_type> && !std::is_final_v<typename T::element_type>);

template <class T>
inline constexpr bool is_fixed_template = false;
template <class T, std::size_t N>
inline constexpr bool is_fixed_template<std::array<T, N>> = true;
template <class A, class B>
inline constexpr bool is_fixed_template<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_fixed_template<std::tuple<Ts...>> = true;
template <class T>
inline constexpr bool is_fixed_template<std::optional<T>> = true;
template <class... Ts>
inline constexpr bool is_fixed_template<std::variant<Ts...>> = true;
template <>
inline constexpr bool is_fixed_template<std::monostate> = true;

/// The codecs of this header are responsible for T (though T need not cross: its elements may not).
template <class T>
concept built_in =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || flat<T> || is_string<T> || sequence_shape<T> ||
    forward_shape<T> || map_shape<T> || set_shape<T> || duration_shape<T> || time_point_shape<T> ||
    path_shape<T> || owner_shape<T> || is_fixed_template<T>;

}  // namespace detail
}  // namespace muster

#include <muster/detail/codecs.hpp>
