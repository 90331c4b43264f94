// SPDX-License-Identifier: MIT
// Values between JSON and the encoding of calls, by a module's signature. The first line is a type, the rest
// a value of it twice over: as encoded bytes and as JSON. Where the first line is a whole signature the
// others are the words of a call.
#include <muster/error.hpp>

#include "cli/json_codec.hpp"
#include "cli/json_text.hpp"
#include "cli/json_types.hpp"
#include "fuzz/target.hpp"

namespace muster::fuzz {
namespace {

using cli::value_type;

// What such a value is encoded to is the same value again. Of the alternatives of a variant it may be
// another.
void hold_is_a_value(const value_type& type, const nlohmann::json& value) {
  const auto bytes = cli::encode_value(type, value);
  hold(bytes.has_value(), "a value that cannot be encoded: ", bytes ? "" : bytes.error());
  const auto back = cli::decode_value(type, *bytes);
  hold(back.has_value(), "an encoded value that is none: ", back ? "" : back.error());
  hold(*back == value || type.text.contains('|'), type.text, ": ", cli::show(value), " came back as ",
       cli::show(*back));
}

void hold_calls(const std::string& line, std::string_view rest) {
  const auto signature = cli::parse_signature("f", line);
  if (!signature) return hold(!signature.error().empty(), "refused without a reason");
  const auto again = cli::parse_signature("f", signature->text);
  hold(again && again->title() == signature->title(), "a signature that is another: ", signature->title());
  if (const auto given = cli::parse_json(rest); given && given->is_array()) {
    const auto bytes = cli::encode_arguments(*signature, *given);
    hold(bytes || !bytes.error().empty(), "refused without a reason");
  }
  std::vector<std::string> words;
  while (!rest.empty()) words.emplace_back(take_line(rest));
  const auto bytes = cli::encode_words(*signature, words);
  hold(bytes || !bytes.error().empty(), "refused without a reason");
  static_cast<void>(cli::why_not_from_json(*signature));
}

void typed_values(std::string_view input) {
  std::string_view rest = input;
  const std::string line(take_line(rest));
  if (line.contains("->")) return hold_calls(line, rest);
  const auto type = cli::parse_type(line);
  if (!type) return hold(!type.error().empty(), "refused without a reason");
  const auto again = cli::parse_type(type->text);
  hold(again && again->text == type->text, "a type that is another when it is read again: ", type->text);
  if (const auto value = cli::decode_value(*type, bytes_of(rest)))
    hold_is_a_value(*type, *value);
  else
    hold(!value.error().empty(), "refused without a reason");
  const auto given = cli::parse_json(rest);
  if (!given) return hold(!given.error().empty(), "refused without a reason");
  const auto bytes = cli::encode_value(*type, *given);
  if (!bytes) return hold(!bytes.error().empty(), "refused without a reason");
  const auto value = cli::decode_value(*type, *bytes);
  hold(value.has_value(), "an encoded value that is none: ", value ? "" : value.error());
  hold_is_a_value(*type, *value);
}

const bool typed_values_is_known = registered("typed_values", typed_values);

}  // namespace
}  // namespace muster::fuzz
