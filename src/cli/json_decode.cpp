// SPDX-License-Identifier: MIT
#include <muster/bytes.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include "cli/json_base64.hpp"
#include "cli/json_codec.hpp"

namespace muster::cli {
namespace {

/// Values that a type makes of no bytes at all, which otherwise nothing would bound: [[null; 99999]; 99999].
constexpr std::size_t free_values = 1'000'000;

/// The reading of one value. Every read that would pass the end throws decode_error.
struct decoding {
  reader in;
  std::size_t values_left;  // what may still be made

  void count_value() {
    if (values_left == 0) detail::refuse_bytes("the value has far more parts than bytes");
    --values_left;
  }
};

json decode(decoding& from, const value_type& type);

template <class T>
T get(decoding& from) {
  T value;
  from.in.read(&value, sizeof value);
  return value;
}

bool get_bool(decoding& from) {
  const auto value = get<std::uint8_t>(from);
  if (value > 1) detail::refuse_bytes("a bool is neither true nor false");
  return value == 1;
}

json decode_real(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return number;
}

/// The shortest number that is this float again: 0.1, not 0.10000000149011612.
json decode_float(float number) {
  if (!std::isfinite(number)) return decode_real(static_cast<double>(number));
  char text[64];
  const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
  double shortest = 0;
  std::from_chars(std::begin(text), end, shortest);
  return shortest;
}

json decode_number(decoding& from, const value_type& type) {
  if (type.kind == type_kind::floating) {
    return type.bits == 32 ? decode_float(get<float>(from)) : decode_real(get<double>(from));
  }
  const bool is_signed = type.kind == type_kind::signed_integer;
  switch (type.bits) {
    case 8: return is_signed ? json(get<std::int8_t>(from)) : json(get<std::uint8_t>(from));
    case 16: return is_signed ? json(get<std::int16_t>(from)) : json(get<std::uint16_t>(from));
    case 32: return is_signed ? json(get<std::int32_t>(from)) : json(get<std::uint32_t>(from));
    default: return is_signed ? json(get<std::int64_t>(from)) : json(get<std::uint64_t>(from));
  }
}

/// The bytes of a sequence of UTF-8 that begins with `lead`, and the least and largest value of its second
/// byte.
struct utf8_form {
  std::size_t length;
  unsigned least = 0x80;
  unsigned largest = 0xbf;
};

/// Length 0: nothing begins so. What is overlong, a surrogate or beyond U+10FFFF shows in the second byte.
utf8_form form_of(unsigned lead) {
  if (lead < 0x80) return {1};
  if (lead < 0xc2) return {0};
  if (lead < 0xe0) return {2};
  if (lead < 0xf0) return {3, lead == 0xe0 ? 0xa0U : 0x80U, lead == 0xed ? 0x9fU : 0xbfU};
  if (lead < 0xf5) return {4, lead == 0xf0 ? 0x90U : 0x80U, lead == 0xf4 ? 0x8fU : 0xbfU};
  return {0};
}

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = [&](std::size_t i) {
      return static_cast<unsigned>(static_cast<unsigned char>(text[at + i]));
    };
    const utf8_form form = form_of(byte(0));
    if (form.length == 0 || form.length > text.size() - at) return false;
    if (form.length > 1 && (byte(1) < form.least || byte(1) > form.largest)) return false;
    for (std::size_t i = 2; i < form.length; ++i) {
      if ((byte(i) & 0xc0U) != 0x80) return false;
    }
    at += form.length;
  }
  return true;
}

std::span<const std::byte> get_block(decoding& from) {
  const std::size_t size = from.in.read_size();
  return {from.in.skip(size), size};
}

json decode_string(decoding& from) {
  const auto bytes = get_block(from);
  return string_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

json decode_bits(decoding& from) {
  const auto count = get<std::uint64_t>(from);
  const std::uint64_t bytes = count / 8 + (count % 8 != 0 ? 1 : 0);
  if (bytes > from.in.remaining()) detail::refuse_bytes("a size is larger than the bytes that follow it");
  const std::byte* const held = from.in.skip(static_cast<std::size_t>(bytes));
  json list = json::array();
  for (std::size_t i = 0; i < count; ++i) {
    from.count_value();
    list.push_back((held[i / 8] >> (i % 8) & std::byte{1}) == std::byte{1});
  }
  return list;
}

json decode_elements(decoding& from, const value_type& element, std::size_t count) {
  json list = json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(decode(from, element));
  return list;
}

/// Reads a size, then what `decode_all(size)` reads, then the padding of elements that took no bytes.
template <class DecodeAll>
json decode_sized(decoding& from, DecodeAll decode_all) {
  const std::size_t count = from.in.read_size();
  const std::size_t before = from.in.remaining();
  json made = decode_all(count);
  const std::size_t taken = before - from.in.remaining();
  if (taken < count) from.in.skip(count - taken);
  return made;
}

json decode_tuple(decoding& from, const value_type& type) {
  json list = json::array();
  for (const value_type& part : type.parts) list.push_back(decode(from, part));
  return list;
}

/// An object when every key is a string and none comes twice; otherwise a list of pairs, in which nothing is
/// lost.
json decode_map(decoding& from, const value_type& type, std::size_t count) {
  json pairs = json::array();
  json object = json::object();
  bool as_object = type.parts[0].kind == type_kind::string;
  for (std::size_t i = 0; i < count; ++i) {
    json pair = decode_tuple(from, type);
    as_object = as_object && pair[0].is_string();  // it is not where the key is not UTF-8
    pairs.push_back(std::move(pair));
  }
  if (!as_object) return pairs;
  for (const json& pair : pairs) {
    if (!object.emplace(pair[0].get_ref<const std::string&>(), pair[1]).second) return pairs;
  }
  return object;
}

json decode_structure(decoding& from, const value_type& type) {
  json object = json::object();
  for (std::size_t i = 0; i < type.parts.size(); ++i) object[type.names[i]] = decode(from, type.parts[i]);
  return object;
}

json decode_variant(decoding& from, const value_type& type) {
  const auto index = get<std::uint16_t>(from);
  if (index >= type.parts.size()) detail::refuse_bytes("a variant has no alternative of that number");
  return decode(from, type.parts[index]);
}

json decode(decoding& from, const value_type& type) {
  from.count_value();
  switch (type.kind) {
    case type_kind::null: return {};
    case type_kind::boolean: return get_bool(from);
    case type_kind::signed_integer:
    case type_kind::unsigned_integer:
    case type_kind::floating: return decode_number(from, type);
    case type_kind::string: return decode_string(from);
    case type_kind::bytes: return to_base64(get_block(from));
    case type_kind::bits: return decode_bits(from);
    case type_kind::list:
      return decode_sized(from,
                          [&](std::size_t count) { return decode_elements(from, type.parts[0], count); });
    case type_kind::array: return decode_elements(from, type.parts[0], type.count);
    case type_kind::map:
      return decode_sized(from, [&](std::size_t count) { return decode_map(from, type, count); });
    case type_kind::tuple: return decode_tuple(from, type);
    case type_kind::variant: return decode_variant(from, type);
    case type_kind::optional: return get_bool(from) ? decode(from, type.parts[0]) : json();
    case type_kind::structure: return decode_structure(from, type);
    case type_kind::opaque: break;
  }
  throw decode_error("only C++ that knows the type has the encoding of " + type.text);
}

}  // namespace

std::expected<json, std::string> decode_value(const value_type& type, std::span<const std::byte> bytes) {
  try {
    decoding from{reader(bytes), free_values + 16 * bytes.size()};
    json value = decode(from, type);
    from.in.finish();
    return value;
  } catch (const decode_error& error) {
    return std::unexpected("this is no " + type.text + ": " + error.what());
  }
}

json string_value(std::string_view text) {
  if (is_utf8(text)) return text;
  return json::object({{"base64", to_base64(std::as_bytes(std::span(text)))}});
}

}  // namespace muster::cli
