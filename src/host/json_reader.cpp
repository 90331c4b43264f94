// SPDX-License-Identifier: MIT
#include <array>
#include <cstring>

#include <muster/json.hpp>

#include "host/utf8.hpp"

namespace muster {
namespace {

constexpr std::string_view name_of(json_kind kind) {
  constexpr std::array<std::string_view, 7> names = {"null",     "true or false", "a number",      "a string",
                                                     "an array", "an object",     "the text's end"};
  return names[static_cast<std::size_t>(kind)];
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void json_reader::refuse(const std::string& why) const {
  throw decode_error(why + " (at byte " + std::to_string(at_) + ")");
}

void json_reader::refuse_next(std::string_view wanted) {
  const json_kind found = kind();
  constexpr std::size_t most = 60;
  const std::size_t from = at_;
  const std::string_view text = found == json_kind::none ? std::string_view() : skip();
  at_ = from;
  std::string shown(text.substr(0, most));
  while (text.size() > most && !shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80U) != 0)
    shown.pop_back();  // no half of a character
  if (text.size() > most) shown += "…";
  refuse("expected " + std::string(wanted) + ", found " +
         (text.empty() ? std::string(name_of(found)) : shown));
}

void json_reader::space() noexcept {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
}

json_kind json_reader::kind() {
  space();
  if (at_ == text_.size()) return json_kind::none;
  switch (text_[at_]) {
    case 'n': return json_kind::null;
    case 't':
    case 'f': return json_kind::boolean;
    case '"': return json_kind::string;
    case '[': return json_kind::array;
    case '{': return json_kind::object;
    default: break;
  }
  if (text_[at_] == '-' || is_digit(text_[at_])) return json_kind::number;
  refuse("this is not JSON");
}

void json_reader::expect(json_kind wanted) {
  if (kind() != wanted) refuse_next(name_of(wanted));
}

void json_reader::word(std::string_view letters) {
  if (text_.substr(at_, letters.size()) != letters) refuse("this is not JSON");
  at_ += letters.size();
}

void json_reader::null() {
  expect(json_kind::null);
  word("null");
}

bool json_reader::boolean() {
  expect(json_kind::boolean);
  const bool value = text_[at_] == 't';
  word(value ? "true" : "false");
  return value;
}

std::string_view json_reader::number() {
  expect(json_kind::number);
  const std::size_t from = at_;
  check_number();
  return text_.substr(from, at_ - from);
}

void json_reader::check_number() {
  const auto digits = [this] {
    if (at_ == text_.size() || !is_digit(text_[at_])) refuse("this is not a number of JSON");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  };
  const auto next_is = [this](std::string_view any) {
    return at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos;
  };
  if (next_is("-")) ++at_;
  if (next_is("0"))
    ++at_;
  else
    digits();
  if (next_is(".")) {
    ++at_;
    digits();
  }
  if (next_is("eE")) {
    ++at_;
    if (next_is("+-")) ++at_;
    digits();
  }
}

unsigned json_reader::hex4() {
  unsigned value = 0;
  if (text_.size() - at_ < 4) refuse("an escape is cut off");
  const char* const from = text_.data() + at_;
  if (const auto got = std::from_chars(from, from + 4, value, 16);
      got.ec != std::errc() || got.ptr != from + 4)
    refuse("an escape is none");
  at_ += 4;
  return value;
}

// After the backslash.
void json_reader::escape(std::string* into) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (at_ == text_.size()) refuse("a string does not end");
  const char letter = text_[at_++];
  if (const auto found = letters.find(letter); found != std::string_view::npos) {
    if (into != nullptr) *into += meanings[found];
    return;
  }
  if (letter != 'u') refuse("an escape is none");
  unsigned code = hex4();
  if (into == nullptr) return;
  if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
    at_ += 2;
    const unsigned low = hex4();
    if (low < 0xdc00 || low > 0xdfff) refuse("a string holds half a surrogate pair, which is no text");
    code = 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00);
  } else if (code >= 0xd800 && code <= 0xdfff) {
    refuse("a string holds half a surrogate pair, which is no text");
  }
  host::append_utf8(*into, code);
}

std::string json_reader::string() {
  expect(json_kind::string);
  std::string value;
  ++at_;
  for (;;) {
    const std::size_t from = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20)
      ++at_;
    value.append(text_, from, at_ - from);
    if (at_ == text_.size()) refuse("a string does not end");
    const char c = text_[at_++];
    if (c == '"') break;
    if (c != '\\') refuse("a control character in a string is not escaped");
    escape(&value);
  }
  if (!host::is_utf8(value)) refuse("a string is not UTF-8");
  return value;
}

void json_reader::check_string() {
  const std::size_t from = at_++;
  while (at_ < text_.size() && text_[at_] != '"') {
    if (static_cast<unsigned char>(text_[at_]) < 0x20)
      refuse("a control character in a string is not escaped");
    if (text_[at_++] == '\\') escape(nullptr);
  }
  if (at_ == text_.size()) refuse("a string does not end");
  ++at_;
  if (!host::is_utf8(text_.substr(from, at_ - from))) refuse("a string is not UTF-8");
}

const std::vector<std::byte>& json_reader::attachment() {
  std::size_t index = attachments_.size();
  bool found = false;
  if (kind() != json_kind::object) refuse_next("bytes");
  object([&](const std::string& key) {
    if (key != "$bytes" || found) refuse("expected {\"$bytes\": n} for bytes");
    const std::string_view text = number();
    const char* const begin = text.data();
    found = std::from_chars(begin, begin + text.size(), index).ec == std::errc();
  });
  if (!found || index >= attachments_.size()) refuse("no such bytes came with the text");
  return attachments_[index];
}

void json_reader::begin(char bracket, json_kind wanted) {
  expect(wanted);
  if (text_[at_] != bracket) refuse("this is not JSON");
  ++at_;
  if (++depth_ > detail::max_nesting)
    refuse("values nest deeper than " + std::to_string(detail::max_nesting));
}

bool json_reader::more(char end, bool first) {
  space();
  if (at_ == text_.size()) refuse("the text is cut off");
  if (text_[at_] == end) {
    ++at_;
    return false;
  }
  if (first) return true;
  if (text_[at_] != ',') refuse("expected a comma");
  ++at_;
  space();
  if (at_ < text_.size() && text_[at_] == end) refuse("a comma with nothing after it");
  return true;
}

void json_reader::colon() {
  space();
  if (at_ == text_.size() || text_[at_] != ':') refuse("expected a colon");
  ++at_;
}

// Not recursive, so that nobody's text can exhaust a stack. What is open lies in `open`.
std::string_view json_reader::skip() {
  if (kind() == json_kind::none) refuse("the text is cut off");
  const std::size_t from = at_;
  std::string open;
  bool first = true;
  do {
    // Before a value, or the end of what is open.
    if (!open.empty() && !more(open.back(), first)) {
      open.pop_back();
      first = false;
      continue;
    }
    if (!open.empty() && open.back() == '}') {
      expect(json_kind::string);
      check_string();
      colon();
    }
    first = false;
    switch (kind()) {
      case json_kind::null: word("null"); break;
      case json_kind::boolean: word(text_[at_] == 't' ? "true" : "false"); break;
      case json_kind::number: check_number(); break;
      case json_kind::string: check_string(); break;
      case json_kind::array:
      case json_kind::object:
        open += text_[at_++] == '[' ? ']' : '}';
        first = true;
        break;
      case json_kind::none: refuse("the text is cut off");
    }
  } while (!open.empty());
  return text_.substr(from, at_ - from);
}

void json_reader::finish() {
  space();
  if (at_ != text_.size()) refuse("something follows the value");
}

}  // namespace muster
