// SPDX-License-Identifier: MIT
#include "cli/json_types.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

namespace muster::cli {
namespace {

struct word_type {
  std::string_view word;
  type_kind kind;
  unsigned bits;
};

constexpr std::array word_types = {
    word_type{"null", type_kind::null, 0},
    word_type{"bool", type_kind::boolean, 8},
    word_type{"i8", type_kind::signed_integer, 8},
    word_type{"i16", type_kind::signed_integer, 16},
    word_type{"i32", type_kind::signed_integer, 32},
    word_type{"i64", type_kind::signed_integer, 64},
    word_type{"u8", type_kind::unsigned_integer, 8},
    word_type{"u16", type_kind::unsigned_integer, 16},
    word_type{"u32", type_kind::unsigned_integer, 32},
    word_type{"u64", type_kind::unsigned_integer, 64},
    word_type{"f32", type_kind::floating, 32},
    word_type{"f64", type_kind::floating, 64},
    word_type{"string", type_kind::string, 0},
    word_type{"bytes", type_kind::bytes, 0},
    word_type{"bits", type_kind::bits, 0},
};

bool is_number(const value_type& type) {
  return type.kind == type_kind::signed_integer || type.kind == type_kind::unsigned_integer ||
         type.kind == type_kind::floating;
}

struct malformed {
  std::string why;
};

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Reads from left to right; throws malformed.
class parser {
public:
  explicit parser(std::string_view text) : text_(text) {
    if (text.size() > max_signature_length) fail("it is too long");
  }

  value_type type() {
    if (++depth_ > max_type_depth) fail("it is nested too deeply");
    skip_spaces();
    const std::size_t begin = at_;
    value_type made = bare_type();
    made.text = text_.substr(begin, at_ - begin);
    --depth_;
    return made;
  }

  call_signature signature() {
    call_signature made;
    expect("(");
    if (!accept(")")) {
      do made.parameters.push_back(type());
      while (accept(","));
      expect(")");
    }
    expect("->");
    made.result = type();
    return made;
  }

  void finish() {
    skip_spaces();
    if (at_ != text_.size()) fail("it should end here");
  }

private:
  [[noreturn]] void fail(const std::string& why) const {
    const std::string rest(text_.substr(at_, 20));
    throw malformed{why + (rest.empty() ? " (at the end)" : " (at '" + rest + "')")};
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool accept(std::string_view token) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail("expected '" + std::string(token) + "'");
  }
  std::string_view word() {
    skip_spaces();
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_word(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  value_type bare_type() {
    if (accept("[")) return sequence();
    if (accept("{")) return braces();
    if (accept("(")) return group();
    if (accept("?")) {
      value_type made{.kind = type_kind::optional};
      made.parts.push_back(type());
      return made;
    }
    const std::size_t begin = at_;
    const std::string_view name = word();
    if (name == "opaque") return opaque();
    if (name == "duration" || name == "time") return ticks();
    const auto found = std::ranges::find(word_types, name, &word_type::word);
    if (found != word_types.end()) return {.kind = found->kind, .bits = found->bits};
    at_ = begin;
    fail("expected a type");
  }

  value_type sequence() {
    value_type made{.kind = type_kind::list};
    made.parts.push_back(type());
    if (accept(";")) {
      made.kind = type_kind::array;
      const std::string_view digits = word();
      const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), made.count);
      if (wrong != std::errc() || end != digits.data() + digits.size()) fail("expected a number before this");
    }
    expect("]");
    return made;
  }

  /// A duration or time is encoded as the number of its ticks.
  value_type ticks() {
    expect("<");
    value_type made = type();
    if (!is_number(made)) fail("expected a number type before this");
    if (word().empty()) fail("expected a unit");
    if (accept("/") && word().empty()) fail("expected a number");
    expect(">");
    return made;
  }

  value_type opaque() {
    expect("<");
    for (unsigned open = 1; open != 0; ++at_) {
      if (at_ == text_.size()) fail("expected '>'");
      if (text_[at_] == '<') ++open;
      if (text_[at_] == '>') --open;
    }
    return {.kind = type_kind::opaque};
  }

  /// A map or a structure: what begins with a name that is no type's has fields.
  value_type braces() {
    value_type made{.kind = type_kind::structure};
    if (accept("}")) return made;
    std::optional<std::string> name = field_name();
    if (!name) {
      made.kind = type_kind::map;
      made.parts.push_back(type());
      expect(":");
      made.parts.push_back(type());
      expect("}");
      return made;
    }
    add_field(made, *std::move(name));
    while (accept(",")) {
      name = field_name();
      if (!name) fail("expected the name of a field");
      add_field(made, *std::move(name));
    }
    expect("}");
    return made;
  }

  void add_field(value_type& made, std::string name) {
    expect(":");
    made.names.push_back(std::move(name));
    made.parts.push_back(type());
  }

  std::optional<std::string> field_name() {
    if (accept("\"")) return quoted();
    skip_spaces();
    const std::size_t begin = at_;
    const std::string_view name = word();
    const bool is_type = name == "opaque" || name == "duration" || name == "time" ||
                         std::ranges::find(word_types, name, &word_type::word) != word_types.end();
    if (!name.empty() && !is_type) return std::string(name);
    at_ = begin;
    return std::nullopt;
  }

  std::string quoted() {
    std::string name;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      name += text_[at_];
    }
    expect("\"");
    return name;
  }

  /// A tuple or a variant; with one part a comma or bar after it tells which.
  value_type group() {
    value_type made{.kind = type_kind::tuple};
    if (accept(")")) return made;
    made.parts.push_back(type());
    const std::string_view separator = accept("|") ? "|" : ",";
    if (separator == "|")
      made.kind = type_kind::variant;
    else
      expect(",");
    if (accept(")")) return made;
    do made.parts.push_back(type());
    while (accept(separator));
    expect(")");
    return made;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
};

}  // namespace

std::expected<call_signature, std::string> parse_signature(const std::string& function,
                                                           std::string_view text) {
  try {
    parser read(text);
    call_signature made = read.signature();
    read.finish();
    made.function = function;
    made.text = text;
    return made;
  } catch (const malformed& error) {
    return std::unexpected("the signature of " + function + " cannot be read: " + error.why);
  }
}

std::expected<value_type, std::string> parse_type(std::string_view text) {
  try {
    parser read(text);
    value_type made = read.type();
    read.finish();
    return made;
  } catch (const malformed& error) {
    return std::unexpected("the type '" + std::string(text.substr(0, 200)) +
                           "' cannot be read: " + error.why);
  }
}

}  // namespace muster::cli
