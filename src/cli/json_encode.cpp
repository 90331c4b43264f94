// SPDX-License-Identifier: MIT
#include <muster/bytes.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/json_base64.hpp"
#include "cli/json_codec.hpp"

namespace muster::cli {
namespace {

/// Thrown and caught in this file; each level on the way up adds where it was.
struct misfit {
  std::string what;
  std::string where{};  // "element 3, field 'x'"

  void add(const std::string& outer) { where = where.empty() ? outer : outer + ", " + where; }
};

[[noreturn]] void refuse(const value_type& type, const json& value) {
  throw misfit{"expected " + type.text + ", was given " + show(value)};
}

std::string count_of(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void encode(writer& out, const value_type& type, const json& value);

/// Runs `encode_part` and adds the name of the part to what it complains about.
template <class Name, class Encode>
void inside(Name name_of_part, Encode encode_part) {
  try {
    encode_part();
  } catch (misfit& error) {
    error.add(name_of_part());
    throw;
  }
}

template <class T>
void put(writer& out, T value) {
  out.write(&value, sizeof value);
}

// Numbers.

template <class T>
[[noreturn]] void out_of_range(const value_type& type, const json& value) {
  using limits = std::numeric_limits<T>;
  throw misfit{show(value) + " is out of the range of " + type.text + ", which is " +
               std::to_string(limits::min()) + " to " + std::to_string(limits::max())};
}

/// A number written as 5.0 or 5e0 is an integer too, as far as every integer has its double.
std::optional<std::int64_t> integer_in(double number) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  if (!(std::abs(number) <= exact) || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

template <class T>
void encode_integer(writer& out, const value_type& type, const json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (!std::in_range<T>(number)) out_of_range<T>(type, value);
    return put(out, static_cast<T>(number));
  }
  std::optional<std::int64_t> number;
  if (value.is_number_integer())
    number = value.get<std::int64_t>();
  else if (value.is_number_float()) {
    const auto real = value.get<double>();
    if (std::isfinite(real) && real == std::trunc(real) && !integer_in(real)) out_of_range<T>(type, value);
    number = integer_in(real);
  }
  if (!number) refuse(type, value);
  if (!std::in_range<T>(*number)) out_of_range<T>(type, value);
  put(out, static_cast<T>(*number));
}

double real_in(const value_type& type, const json& value) {
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (!std::isfinite(number)) {
      throw misfit{
          "expected " + type.text +
          ", was given a number that JSON cannot hold; write \"NaN\", \"Infinity\" or \"-Infinity\""};
    }
    return number;
  }
  if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  refuse(type, value);
}

void encode_real(writer& out, const value_type& type, const json& value) {
  const double number = real_in(type, value);
  if (type.bits == 64) return put(out, number);
  // Compared as a double: to convert a number beyond the range would be undefined.
  if (std::isfinite(number) && std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
    throw misfit{show(value) + " is out of the range of " + type.text};
  }
  put(out, static_cast<float>(number));
}

void encode_number(writer& out, const value_type& type, const json& value) {
  if (type.kind == type_kind::floating) return encode_real(out, type, value);
  const bool is_signed = type.kind == type_kind::signed_integer;
  switch (type.bits) {
    case 8:
      return is_signed ? encode_integer<std::int8_t>(out, type, value)
                       : encode_integer<std::uint8_t>(out, type, value);
    case 16:
      return is_signed ? encode_integer<std::int16_t>(out, type, value)
                       : encode_integer<std::uint16_t>(out, type, value);
    case 32:
      return is_signed ? encode_integer<std::int32_t>(out, type, value)
                       : encode_integer<std::uint32_t>(out, type, value);
    default:
      return is_signed ? encode_integer<std::int64_t>(out, type, value)
                       : encode_integer<std::uint64_t>(out, type, value);
  }
}

// Text and bytes.

void encode_block(writer& out, const void* data, std::size_t size) {
  out.write_size(size);
  out.write(data, size);
}

void encode_base64(writer& out, const value_type& type, const json& text) {
  const auto bytes = from_base64(text.get_ref<const std::string&>());
  if (!bytes) throw misfit{"expected " + type.text + " in base64, was given " + show(text)};
  encode_block(out, bytes->data(), bytes->size());
}

void encode_string(writer& out, const value_type& type, const json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return encode_block(out, text.data(), text.size());
  }
  if (!value.is_object() || value.size() != 1 || !value.contains("base64") || !value["base64"].is_string()) {
    refuse(type, value);
  }
  encode_base64(out, type, value["base64"]);
}

void encode_bytes(writer& out, const value_type& type, const json& value) {
  if (value.is_string()) return encode_base64(out, type, value);
  if (!value.is_array()) refuse(type, value);
  std::vector<std::uint8_t> bytes;
  for (const json& each : value) {
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() > 255) {
      throw misfit{"expected numbers from 0 to 255, was given " + show(each)};
    }
    bytes.push_back(each.get<std::uint8_t>());
  }
  encode_block(out, bytes.data(), bytes.size());
}

void encode_bits(writer& out, const value_type& type, const json& value) {
  if (!value.is_array()) refuse(type, value);
  put(out, static_cast<std::uint64_t>(value.size()));
  for (std::size_t first = 0; first < value.size(); first += 8) {
    unsigned byte = 0;
    for (std::size_t i = first; i < std::min(value.size(), first + 8); ++i) {
      if (!value[i].is_boolean()) {
        throw misfit{"expected true or false, was given " + show(value[i]),
                     "element " + std::to_string(i + 1)};
      }
      if (value[i].get<bool>()) byte |= 1U << (i - first);
    }
    put(out, static_cast<std::uint8_t>(byte));
  }
}

// Containers.

/// A container's size is followed by at least as many bytes as it counts elements.
void pad(writer& out, std::size_t before, std::size_t count) {
  while (out.size() - before < count) put(out, std::uint8_t{0});
}

void encode_elements(writer& out, const value_type& element, const json& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    inside([i] { return "element " + std::to_string(i + 1); }, [&] { encode(out, element, values[i]); });
  }
}

void encode_list(writer& out, const value_type& type, const json& value) {
  if (!value.is_array()) refuse(type, value);
  out.write_size(value.size());
  const std::size_t before = out.size();
  encode_elements(out, type.parts[0], value);
  pad(out, before, value.size());
}

void encode_array(writer& out, const value_type& type, const json& value) {
  if (!value.is_array()) refuse(type, value);
  if (value.size() != type.count) {
    throw misfit{"expected " + type.text + ", was given " + count_of(value.size(), "element")};
  }
  encode_elements(out, type.parts[0], value);
}

void encode_tuple(writer& out, const value_type& type, const json& value) {
  if (!value.is_array()) refuse(type, value);
  if (value.size() != type.parts.size()) {
    throw misfit{"expected " + type.text + ", was given " + count_of(value.size(), "element")};
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    inside([i] { return "element " + std::to_string(i + 1); }, [&] { encode(out, type.parts[i], value[i]); });
  }
}

void encode_map(writer& out, const value_type& type, const json& value) {
  const bool as_object = value.is_object() && type.parts[0].kind == type_kind::string;
  if (!as_object && !value.is_array()) refuse(type, value);
  out.write_size(value.size());
  const std::size_t before = out.size();
  if (as_object) {
    for (const auto& [key, mapped] : value.items()) {
      encode_block(out, key.data(), key.size());
      inside([&] { return "key " + show(key); }, [&] { encode(out, type.parts[1], mapped); });
    }
  } else {
    value_type pair{.kind = type_kind::tuple, .parts = type.parts};
    pair.text = "[" + type.parts[0].text + ", " + type.parts[1].text + "]";
    encode_elements(out, pair, value);
  }
  pad(out, before, value.size());
}

void encode_structure(writer& out, const value_type& type, const json& value) {
  if (!value.is_object()) refuse(type, value);
  for (const auto& [key, unused] : value.items()) {
    if (std::find(type.names.begin(), type.names.end(), key) == type.names.end()) {
      throw misfit{"expected " + type.text + ", which has no field " + show(key)};
    }
  }
  for (std::size_t i = 0; i < type.names.size(); ++i) {
    const auto found = value.find(type.names[i]);
    if (found == value.end() && type.parts[i].kind != type_kind::optional) {
      throw misfit{"expected " + type.text + ", but the field " + show(type.names[i]) + " is missing"};
    }
    inside([&] { return "field " + show(type.names[i]); },
           [&] { encode(out, type.parts[i], found != value.end() ? *found : json()); });
  }
}

void encode_optional(writer& out, const value_type& type, const json& value) {
  put(out, static_cast<std::uint8_t>(value.is_null() ? 0 : 1));
  if (!value.is_null()) encode(out, type.parts[0], value);
}

void encode_variant(writer& out, const value_type& type, const json& value) {
  for (std::size_t i = 0; i < type.parts.size(); ++i) {
    writer tried;
    try {
      encode(tried, type.parts[i], value);
    } catch (const misfit&) {
      continue;  // the next alternative may fit
    }
    put(out, static_cast<std::uint16_t>(i));
    return out.write(tried.bytes().data(), tried.size());
  }
  refuse(type, value);
}

void encode(writer& out, const value_type& type, const json& value) {
  switch (type.kind) {
    case type_kind::null:
      if (!value.is_null()) refuse(type, value);
      return;
    case type_kind::boolean:
      if (!value.is_boolean()) refuse(type, value);
      return put(out, static_cast<std::uint8_t>(value.get<bool>() ? 1 : 0));
    case type_kind::signed_integer:
    case type_kind::unsigned_integer:
    case type_kind::floating: return encode_number(out, type, value);
    case type_kind::string: return encode_string(out, type, value);
    case type_kind::bytes: return encode_bytes(out, type, value);
    case type_kind::bits: return encode_bits(out, type, value);
    case type_kind::list: return encode_list(out, type, value);
    case type_kind::array: return encode_array(out, type, value);
    case type_kind::map: return encode_map(out, type, value);
    case type_kind::tuple: return encode_tuple(out, type, value);
    case type_kind::variant: return encode_variant(out, type, value);
    case type_kind::optional: return encode_optional(out, type, value);
    case type_kind::structure: return encode_structure(out, type, value);
    case type_kind::opaque:
      throw misfit{type.text + " cannot be given as JSON; only C++ that knows the type can"};
  }
}

std::vector<std::byte> bytes_of(const writer& out) { return {out.bytes().begin(), out.bytes().end()}; }

std::string wrong_count(const call_signature& signature, std::size_t given) {
  return signature.title() + " takes " + count_of(signature.parameters.size(), "argument") + ", was given " +
         std::to_string(given);
}

/// `value_at(i)` gives the value of parameter i, as JSON.
template <class ValueAt>
encoded encode_call(const call_signature& signature, std::size_t given, ValueAt value_at) {
  if (given != signature.parameters.size()) return std::unexpected(wrong_count(signature, given));
  writer out;
  for (std::size_t i = 0; i < given; ++i) {
    try {
      encode(out, signature.parameters[i], value_at(i));
    } catch (const misfit& error) {
      return std::unexpected("argument " + std::to_string(i + 1) + " of " + signature.title() +
                             (error.where.empty() ? "" : ", " + error.where) + ": " + error.what);
    }
  }
  return bytes_of(out);
}

// Words.

json number_in(const value_type& type, const std::string& word) {
  const char* const end = word.data() + word.size();
  const auto read = [&](auto number) -> std::optional<json> {
    const auto [stopped, wrong] = std::from_chars(word.data(), end, number);
    if (wrong == std::errc::result_out_of_range && stopped == end) {
      throw misfit{word + " is out of the range of " + type.text};
    }
    if (wrong != std::errc() || stopped != end) return std::nullopt;
    return json(number);
  };
  std::optional<json> number;
  if (type.kind == type_kind::floating) {
    if (word == "NaN" || word == "Infinity" || word == "-Infinity") return word;
    number = read(double());
    if (number && !std::isfinite(number->get<double>())) number.reset();
  } else if (word.starts_with('-')) {
    number = read(std::int64_t());
  } else {
    number = read(std::uint64_t());
  }
  if (!number) refuse(type, word);
  return *number;
}

json value_in(const value_type& type, const std::string& word);

/// The first alternative that the word fits.
json alternative_in(const value_type& type, const std::string& word) {
  for (const value_type& alternative : type.parts) {
    try {
      json value = value_in(alternative, word);
      writer ignored;
      encode(ignored, alternative, value);
      return value;
    } catch (const misfit&) {
      continue;
    }
  }
  refuse(type, word);
}

json value_in(const value_type& type, const std::string& word) {
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
  json value = json::parse(word, nullptr, false);
  if (value.is_discarded()) throw misfit{"expected " + type.text + " as JSON, was given " + show(word)};
  return value;
}

const value_type* find_opaque(const value_type& type) {
  if (type.kind == type_kind::opaque) return &type;
  for (const value_type& part : type.parts) {
    if (const value_type* found = find_opaque(part)) return found;
  }
  return nullptr;
}

}  // namespace

encoded encode_arguments(const call_signature& signature, const json& arguments) {
  if (!arguments.is_array()) {
    return std::unexpected("the arguments of " + signature.title() + " are an array, was given " +
                           show(arguments));
  }
  return encode_call(signature, arguments.size(), [&](std::size_t i) -> const json& { return arguments[i]; });
}

encoded encode_words(const call_signature& signature, std::span<const std::string> words) {
  return encode_call(signature, words.size(),
                     [&](std::size_t i) { return value_in(signature.parameters[i], words[i]); });
}

encoded encode_value(const value_type& type, const json& value) {
  try {
    writer out;
    encode(out, type, value);
    return bytes_of(out);
  } catch (const misfit& error) {
    return std::unexpected(error.where.empty() ? error.what : error.where + ": " + error.what);
  }
}

std::string why_not_from_json(const call_signature& signature) {
  const value_type* found = find_opaque(signature.result);
  for (const value_type& parameter : signature.parameters) {
    if (found == nullptr) found = find_opaque(parameter);
  }
  if (found == nullptr) return {};
  return signature.title() +
         " cannot be called from JSON, because only C++ that knows the type has the encoding of " +
         found->text + "; give it muster::fields";
}

std::string show(const json& value) {
  constexpr std::size_t longest = 60;
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > longest) text = text.substr(0, longest - 3) + "...";
  return text;
}

}  // namespace muster::cli
