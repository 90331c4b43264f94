// SPDX-License-Identifier: MIT
//
// The sentences that a call gets at compile time when it cannot go to another process; included by
// <muster/call.hpp>.
#pragma once

#include <muster/call.hpp>

namespace muster::detail {

/// Instantiated for every call to a process pool. Exactly one of the sentences appears for a call that cannot
/// cross.
template <class F, class... Args>
consteval void check_call() {
  constexpr refusal why = signature<F, Args...>::why;

  // The callable.
  static_assert(
      why != refusal::lambda_with_captures,
      "muster: a lambda with captures cannot be called in another process. Pass what it captures as "
      "arguments: submit([](int x) { ... }, x).");
  static_assert(
      why != refusal::stateful_object,
      "muster: a function object with data members cannot be called in another process. Use a function or "
      "a lambda without captures, and pass the data as arguments.");
  static_assert(
      why != refusal::empty_but_unmakeable,
      "muster: this function object can be neither default-constructed nor copied as bytes, so there is no "
      "way to have one in another process. Give it a default constructor.");
  static_assert(
      why != refusal::member_pointer,
      "muster: a pointer to a member cannot be called in another process. Wrap it in a lambda without "
      "captures that takes the object as its argument: [](T object) { return object.f(); }.");
  static_assert(
      why != refusal::wrapped_function,
      "muster: a std::function cannot be called in another process, nor sent to one, because what it holds "
      "is known only at run time. Pass the function itself or a lambda without captures.");
  static_assert(
      why != refusal::not_callable,
      "muster: the first argument is not something that can be called. Pass a function, a lambda without "
      "captures or a function object without data members, then its arguments.");
  static_assert(
      why != refusal::c_variadic,
      "muster: a function with C variadic arguments (...) cannot be called in another process. Wrap it in a "
      "lambda without captures that names its parameters.");

  // The arguments.
  static_assert(
      why != refusal::wrong_count,
      "muster: the number of arguments is not the number of parameters of the function. (Default arguments "
      "are not known here: pass them all, or wrap the function in a lambda. A leading std::stop_token or "
      "muster::context& is supplied by the worker.)");
  static_assert(
      why != refusal::argument_not_convertible,
      "muster: an argument does not convert to the function's parameter as it would in a direct call. "
      "Convert it where you submit.");
  static_assert(
      why != refusal::generic_not_callable,
      "muster: this generic or overloaded callable cannot be called with the arguments as they arrive: as "
      "rvalues of their decayed types, character arrays as std::string. Take parameters by value or by "
      "const reference.");
  static_assert(
      why != refusal::pointer_parameter,
      "muster: a pointer means nothing in another process. Pass what it points to by value (text as "
      "std::string, several values as std::vector).");
  static_assert(
      why != refusal::reference_parameter,
      "muster: a non-const reference parameter cannot change the caller's object from another process. Take "
      "it by value or const reference, and return the changed value.");
  static_assert(
      why != refusal::view_parameter,
      "muster: a span or reference wrapper refers to memory that another process does not have. Take a "
      "container that owns its elements, such as std::vector; bytes and characters may be taken as a span of "
      "const ones.");
  static_assert(
      why != refusal::unsendable_parameter,
      "muster: a parameter's type cannot cross into another process. List its fields with muster::fields "
      "(include "
      "<muster/fields.hpp>), or give it a serialize() member and include <muster/cereal.hpp>, or set "
      "muster::as_bytes for a plain struct without pointers, or specialise muster::codec.");

  static_assert(
      why != refusal::unsendable_chunk,
      "muster: the chunks that this function yields cannot cross back from another process. List their "
      "fields with muster::fields (include <muster/fields.hpp>), or specialise muster::codec.");

  // The result.
  static_assert(
      why != refusal::reference_result,
      "muster: the function returns a reference, and what it refers to stays in the other process. Return "
      "by value.");
  static_assert(
      why != refusal::pointer_result,
      "muster: the function returns a pointer, and what it points to stays in the other process. Return the "
      "value itself, or std::optional or std::unique_ptr if there may be none.");
  static_assert(
      why != refusal::view_result,
      "muster: the function returns a view, and what it views stays in the other process. Return an owner: "
      "std::string for a string_view, std::vector for a span.");
  static_assert(
      why != refusal::unsendable_result,
      "muster: the result's type cannot cross back from another process. List its fields with muster::fields "
      "(include "
      "<muster/fields.hpp>), or give it a serialize() member and include <muster/cereal.hpp>, or set "
      "muster::as_bytes for a plain struct without pointers, or specialise muster::codec.");
}

}  // namespace muster::detail
