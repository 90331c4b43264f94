// SPDX-License-Identifier: MIT
#include <array>

#include <muster/json.hpp>

#include "host/utf8.hpp"

namespace muster {

void json_writer::string(std::string_view text) {
  if (!host::is_utf8(text))
    throw encode_error(
        "a string is not UTF-8, so it has no JSON form; send it as bytes (std::vector<std::byte>)");
  std::string& out = value.text;
  out += '"';
  std::size_t from = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, from, at - from);
    from = at + 1;
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4U];
      out += digits[static_cast<unsigned char>(c) & 0xfU];
    }
  }
  out.append(text, from);
  out += '"';
}

void json_writer::number(double number) {
  if (!std::isfinite(number))
    throw encode_error(std::string(std::isnan(number) ? "NaN" : "an infinity") +
                       " has no JSON form; pass null (std::optional) or a string for it");
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  value.text.append(buffer.data(), end);
}

void detail::write_nested(json_writer& out, const json& value) {
  try {
    json_reader in(value);
    in.skip();
    in.finish();
  } catch (const decode_error& e) {
    throw encode_error(std::string("a muster::json holds no JSON: ") + e.what());
  }
  if (!value.attachments.empty()) {
    if (!out.value.attachments.empty())
      throw encode_error(
          "bytes beside a muster::json meet others in the same call; pass all of them in one muster::json");
    out.value.attachments = value.attachments;
  }
  // A line of the protocol is one line, however the text is laid out.
  for (const char c : value.text) out.value.text += c == '\n' || c == '\r' ? ' ' : c;
}

}  // namespace muster
