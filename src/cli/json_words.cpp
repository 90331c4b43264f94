// SPDX-License-Identifier: MIT
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "cli/json_codec.hpp"
#include "cli/json_text.hpp"

namespace muster::cli {
namespace {

using value = std::expected<json, std::string>;

value refused(const value_type& type, const std::string& word) {
  return std::unexpected("expected " + type.text + ", was given " + show(word));
}

/// The whole word as a number of type T.
template <class T>
value whole(const value_type& type, const std::string& word) {
  T number{};
  const char* const end = word.data() + word.size();
  const auto [stopped, wrong] = std::from_chars(word.data(), end, number);
  if (stopped != end || wrong == std::errc::invalid_argument) return refused(type, word);
  if (wrong != std::errc()) return std::unexpected(word + " is out of the range of " + type.text);
  return number;
}

value number_in(const value_type& type, const std::string& word) {
  if (type.kind != type_kind::floating) {
    return word.starts_with('-') ? whole<std::int64_t>(type, word) : whole<std::uint64_t>(type, word);
  }
  if (word == "NaN" || word == "Infinity" || word == "-Infinity") return word;
  value number = whole<double>(type, word);
  // The other spellings of what is no number, such as "inf", are none of JSON's.
  if (number && !std::isfinite(number->get<double>())) return refused(type, word);
  return number;
}

value value_in(const value_type& type, const std::string& word);

/// As the first alternative that the word fits.
value alternative_in(const value_type& type, const std::string& word) {
  for (const value_type& alternative : type.parts) {
    value tried = value_in(alternative, word);
    if (tried && encode_value(alternative, *tried)) return tried;
  }
  return refused(type, word);
}

value value_in(const value_type& type, const std::string& word) {
  switch (type.kind) {
    case type_kind::string:
    case type_kind::bytes: return word;
    case type_kind::signed_integer:
    case type_kind::unsigned_integer:
    case type_kind::floating: return number_in(type, word);
    case type_kind::optional: return word == "null" ? json() : value_in(type.parts[0], word);
    case type_kind::variant: return alternative_in(type, word);
    default: break;
  }
  if (auto parsed = parse_json(word)) return *std::move(parsed);
  return std::unexpected("expected " + type.text + " as JSON, was given " + show(word));
}

}  // namespace

encoded encode_words(const call_signature& signature, std::span<const std::string> words) {
  return encode_call(signature, words.size(),
                     [&](std::size_t i) { return value_in(signature.parameters[i], words[i]); });
}

}  // namespace muster::cli
