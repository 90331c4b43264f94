// SPDX-License-Identifier: MIT
//
// JSON values to the bytes of a call and back, by the types of a module's signature: the encoding is that of
// <muster/codec.hpp>. Plain functions on the caller's thread. Values come from the user, result bytes from a
// process that is not trusted: every mistake in either is an error in words, none is thrown (but
// std::bad_alloc).
//
//   bool                 true, false
//   i8 ... u64           an integer in its range (5.0 is one)
//   f32, f64             a number, or one of the strings "NaN", "Infinity", "-Infinity", which JSON has no
//   number for string               a string; one that is not UTF-8 as {"base64": "..."} bytes a string in
//   base64; given also as an array of numbers from 0 to 255 [T], [T; n], bits    an array (A, B) an array {K:
//   V}               an object where K is string; else, and where a key is not UTF-8, an array of [key,
//   value] {name: T}            an object; a field ?T may be missing ?T, null             null, else as T (A
//   | B)              as the first alternative that the value fits duration<>, time<>   the number of units
//   opaque<...>          never: only C++ that knows the type can call such a function
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/json_types.hpp"

namespace muster::cli {

using json = nlohmann::json;
using encoded = std::expected<std::vector<std::byte>, std::string>;

/// Encodes the arguments of a call, an array with one value for each parameter.
encoded encode_arguments(const call_signature& signature, const json& arguments);

/// The same for words of a command line: a parameter that is a string or bytes (in base64) takes the word as
/// it is, a number is the whole word, one that may be missing (?T) is missing when the word is null, anything
/// else is JSON.
encoded encode_words(const call_signature& signature, std::span<const std::string> words);

/// Encodes a call: as many arguments as there are `given`, of which `value_at(i)` gives number i.
encoded encode_call(const call_signature& signature, std::size_t given,
                    const std::function<std::expected<json, std::string>(std::size_t)>& value_at);

/// Encodes one value.
encoded encode_value(const value_type& type, const json& value);

/// Decodes one value, of which nothing may be left over.
std::expected<json, std::string> decode_value(const value_type& type, std::span<const std::byte> bytes);

/// A string as JSON: one that is not UTF-8 as {"base64": "..."}.
json string_value(std::string_view text);

/// Why a function cannot be called from JSON: because its signature holds an opaque type. Empty when it can.
std::string why_not_from_json(const call_signature& signature);

/// The value as text for a message: at most 60 characters, whatever is in it.
std::string show(const json& value);

}  // namespace muster::cli
