// SPDX-License-Identifier: MIT
//
// An exception on its way from a worker to its owner. The standard exception types, and those of muster that
// arise in a worker (invalid_call, decode_error, encode_error), arrive as themselves; anything else arrives
// as its type's name and its text, from which the owner makes a worker_error. encode_current_exception runs
// in the worker inside a catch block, decode_exception in the owner on bytes that it does not trust.
#pragma once

#include <cstddef>
#include <exception>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include <muster/bytes.hpp>

namespace muster::module {

/// Longer texts are cut, so that a failure never weighs more than its call.
inline constexpr std::size_t max_type_name = 1024;
inline constexpr std::size_t max_exception_text = 8192;
inline constexpr std::size_t max_backtrace = 8192;

/// Writes the exception that is being handled. Call it in a catch block. Throws only std::bad_alloc.
void encode_current_exception(writer& out, std::string_view backtrace);

struct received_exception {
  /// The exception in its own type; null when it is not one of the standard types.
  std::exception_ptr same_type;
  std::string type_name;
  /// what(), followed by those of nested exceptions.
  std::string text;
  std::string backtrace;
};

/// Takes the bytes apart. An error means they were not written by encode_current_exception.
std::expected<received_exception, std::string> decode_exception(std::span<const std::byte> bytes);

}  // namespace muster::module
