// SPDX-License-Identifier: MIT
#include "cli/call_shape.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/error.hpp>

#include "cli/failure.hpp"

namespace muster::cli {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-./=:,@%+").contains(c);
}

std::string shell_word(const std::string& word) {
  if (!word.empty() && std::ranges::all_of(word, is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

/// "a", 1
std::string argument_text(const json& arguments) {
  std::string text;
  for (const json& each : arguments) text += (text.empty() ? "" : ", ") + to_line(each);
  return text;
}

/// The same for words: what is text is quoted.
std::string word_text(const call_signature& signature, const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_text = i >= signature.parameters.size() ||
                         signature.parameters[i].kind == type_kind::string ||
                         signature.parameters[i].kind == type_kind::bytes;
    text += (i == 0 ? "" : ", ") + (is_text ? to_line(json(words[i])) : words[i]);
  }
  return text;
}

/// What an element of a line is as an input of a command.
std::expected<std::string, std::string> input_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::unexpected(fmt::format("expected a string or a number, was given {}", show(value)));
}

}  // namespace

std::string shell_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& each : words) text += (text.empty() ? "" : " ") + shell_word(each);
  return text;
}

std::size_t call_data::size() const noexcept {
  std::size_t all = bytes.size() + arguments.size();
  for (const std::string& each : words) all += each.size();
  return all;
}

std::expected<call_shape, std::string> call_shape::make(call_signature signature,
                                                        const std::vector<json>& with) {
  if (const std::string why = why_not_from_json(signature); !why.empty()) return std::unexpected(why);
  if (with.size() > signature.parameters.size())
    return std::unexpected(fmt::format("--with gives {} arguments, and {} takes {}", with.size(),
                                       signature.title(), signature.parameters.size()));
  call_shape made;
  made.own_ = signature;
  const std::size_t own = signature.parameters.size() - with.size();
  made.own_.parameters.resize(own);
  for (std::size_t i = 0; i < with.size(); ++i) {
    const encoded bytes = encode_value(signature.parameters[own + i], with[i]);
    if (!bytes)
      return std::unexpected(fmt::format("--with {} cannot be argument {} of {}: {}", show(with[i]),
                                         own + i + 1, signature.title(), bytes.error()));
    made.fixed_.insert(made.fixed_.end(), bytes->begin(), bytes->end());
    made.fixed_text_ += (own + i == 0 ? "" : ", ") + to_line(with[i]);
  }
  made.signature_ = std::move(signature);
  return made;
}

std::string call_shape::expected_form() const {
  if (command_) return "an array of strings or numbers, or one of them";
  return open_ ? "an array of arguments, or one of them" : signature_.title();
}

call_shape::made call_shape::from_words(const std::vector<std::string>& words, std::uint64_t number,
                                        bool with_text) const {
  if (open_) {
    json arguments = json::array();
    for (const std::string& each : words) {
      arguments.push_back(string_value(each));
      if (!arguments.back().is_string()) return std::unexpected("the input is not UTF-8, as JSON has to be");
    }
    return complete_open(std::move(arguments), with_text);
  }
  if (!command_)
    return complete(encode_words(own_, words), with_text ? word_text(own_, words) : std::string());
  call_data data;
  try {
    data.words = fill_in(*command_, words, number);
  } catch (const invalid_call& problem) {
    return std::unexpected(problem.what());
  }
  if (std::ranges::any_of(data.words, [](const auto& each) { return each.contains('\0'); }))
    return std::unexpected("a word of a command cannot hold a zero byte");
  if (with_text) data.text = shell_text(data.words);
  return data;
}

call_shape::made call_shape::from_json(const json& arguments, std::uint64_t number, bool with_text) const {
  if (open_) return complete_open(arguments, with_text);
  if (!command_)
    return complete(encode_arguments(own_, arguments), with_text ? argument_text(arguments) : std::string());
  std::vector<std::string> inputs;
  for (const json& each : arguments) {
    auto input = input_of(each);
    if (!input) return std::unexpected(input.error());
    inputs.push_back(*std::move(input));
  }
  return from_words(inputs, number, with_text);
}

call_shape::made call_shape::complete(encoded own, std::string text) const {
  if (!own) return std::unexpected(own.error());
  own->insert(own->end(), fixed_.begin(), fixed_.end());
  return call_data{.bytes = *std::move(own),
                   .text = fmt::format("{}({}{})", signature_.function, text, fixed_text_)};
}

call_shape::made call_shape::complete_open(json arguments, bool with_text) const {
  for (const json& each : *open_) arguments.push_back(each);
  call_data data{.arguments = to_line(arguments)};
  if (with_text) data.text = fmt::format("{}({})", signature_.function, argument_text(arguments));
  return data;
}

}  // namespace muster::cli
