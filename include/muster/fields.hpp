// SPDX-License-Identifier: MIT
//
// Lets a struct cross to another process field by field, and appear in JSON as an object with named fields:
//
//     struct point { double x, y; };
//     template <> struct muster::fields<point> {
//       static constexpr auto list = std::make_tuple(muster::field("x", &point::x), muster::field("y",
//       &point::y));
//     };
//
// The struct then has a codec, and in the signatures of a module it is `{x: f64, y: f64}`. Like every codec
// this one keeps no state and works on the caller's thread. The fields cross in the order of the list; what
// is not listed does not cross and is default-constructed in the copy.
#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>

#include <muster/codec.hpp>

namespace muster {

/// Specialise this for a struct of yours, with a `static constexpr auto list` of its fields.
template <class T>
struct fields;

/// One field: its name in JSON (letters, digits and _, or any text without control characters) and its
/// member.
template <class Owner, class Value>
struct named_field {
  using value_type = Value;
  const char* name;
  Value Owner::* member;
};

template <class Owner, class Value>
constexpr named_field<Owner, Value> field(const char* name, Value Owner::* member) noexcept {
  return {name, member};
}

namespace detail {

/// T has a list of fields. (One that opted in to cross as its bytes keeps doing so.)
template <class T>
concept listed = std::is_class_v<T> && !flat<T> && requires { fields<T>::list; };

}  // namespace detail

// Its fields are not asked whether they cross before they are used: a struct may hold others of its own type
// in a container, and that question would be about itself. That container, or unique_ptr, is what counts as a
// level of nesting: the struct itself would count each level twice.
template <class T>
  requires detail::listed<T>
struct codec<T> {
  static_assert(
      std::default_initializable<T>,
      "muster: a struct with muster::fields is default-constructed before its fields are set, so it needs a "
      "default constructor.");

  static void encode(writer& out, const T& value) {
    std::apply([&](const auto&... each) { (muster::encode(out, value.*(each.member)), ...); },
               fields<T>::list);
  }
  static T decode(reader& in) {
    T value{};
    std::apply([&](const auto&... each) { (decode_field(in, value.*(each.member)), ...); }, fields<T>::list);
    return value;
  }

private:
  template <class Value>
  static void decode_field(reader& in, Value& into) {
    into = codec<Value>::decode(in);
  }
};

}  // namespace muster
