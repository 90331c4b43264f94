// SPDX-License-Identifier: MIT
//
// The signature of a module's function as the command sees it: its text, as a module writes it, taken apart
// into a small tree of types. Plain values; the functions work on the caller's thread. The text may come from
// a stranger, so it is refused when it is not of the grammar (docs/guide/modules.md), too long or too deep.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

inline constexpr std::size_t max_signature_length = 64 * 1024;
inline constexpr unsigned max_type_depth = 64;

enum class type_kind {
  null,
  boolean,
  signed_integer,
  unsigned_integer,
  floating,
  string,
  bytes,
  bits,       // a list of bool, eight to a byte
  list,       // [T]
  array,      // [T; n]
  map,        // {K: V}
  tuple,      // (A, B)
  variant,    // (A | B)
  optional,   // ?T
  structure,  // {name: T}
  opaque,     // opaque<name>: encoded in a way that only the module knows
};

struct value_type {
  type_kind kind = type_kind::null;
  unsigned bits = 0;                 // of a number
  std::size_t count = 0;             // of an array
  std::vector<value_type> parts{};   // elements, key and value, alternatives, fields
  std::vector<std::string> names{};  // of the fields
  std::string text{};                // as it is written
};

struct call_signature {
  std::string function{};
  std::vector<value_type> parameters{};
  value_type result{};
  std::string text{};  // "(string, i32) -> string"

  /// "shrink(string, i32) -> string"
  [[nodiscard]] std::string title() const { return function + text; }
};

/// Takes "(string, i32) -> string" apart. An error says where it is not of the grammar.
std::expected<call_signature, std::string> parse_signature(const std::string& function,
                                                           std::string_view text);

/// Takes one type apart.
std::expected<value_type, std::string> parse_type(std::string_view text);

}  // namespace muster::cli
