// SPDX-License-Identifier: MIT
#include "cli/input.hpp"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/error.hpp>
#include <muster/option_text.hpp>

#include "cli/json_text.hpp"

namespace muster::cli {
namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

/// A string is an id as it is, any other value as its text.
std::string id_text(const json& value) { return value.is_string() ? value.get<std::string>() : show(value); }

/// {"args": [...]}, with "id" and "priority" or without.
bool is_call(const json& value) {
  if (!value.is_object() || !value.contains("args") || !value["args"].is_array()) return false;
  return value.size() == 1U + value.count("id") + value.count("priority");
}

std::expected<muster::priority, std::string> priority_of(const json& value) {
  task_options options;
  try {
    set_options(options, std::vector{"priority=" + id_text(value)});
    return options.priority;
  } catch (const invalid_options& problem) {
    return std::unexpected(problem.what());
  }
}

// No word of a command line has a zero byte in it: what is between them tells combinations apart whose texts
// are the same.
std::string key_of(const piece& got) {
  if (got.values.empty()) return std::string(got.text);
  return fmt::format("{}", fmt::join(got.values, std::string_view("\0", 1)));
}

std::unique_ptr<source> source_of(const run_command& asked, int descriptor) {
  switch (asked.from) {
    case input_from::nothing: return nullptr;
    case input_from::words: return std::make_unique<word_source>(asked.groups);
    case input_from::json_lines:
    case input_from::lines: return std::make_unique<stream_source>(descriptor, '\n', "line");
    case input_from::zeros: return std::make_unique<stream_source>(descriptor, '\0', "input");
    case input_from::files: return std::make_unique<file_source>(asked.directories);
  }
  return nullptr;
}

}  // namespace

input::input(const run_command& asked, const call_shape& shape, int descriptor)
    : asked_(asked), shape_(shape), source_(source_of(asked, descriptor)) {}

std::optional<std::uint64_t> input::total() const noexcept {
  if (!source_) return 1;
  if (const auto size = source_->size()) return size;
  return source_->ended() ? std::optional(next_index_) : std::nullopt;
}

std::optional<call_request> input::next() {
  if (ended()) return std::nullopt;
  if (!source_) {
    ++next_index_;
    return call_request{.name = "the call", .data = shape_.from_words({}, 1, asked_.dry_run)};
  }
  while (const auto got = source_->next()) {
    if (!got->too_long && asked_.from == input_from::json_lines && is_blank(got->text)) continue;
    if (!got->too_long && asked_.from == input_from::lines && got->text.empty()) continue;
    call_request made = from(*got);
    ++next_index_;
    return made;
  }
  return std::nullopt;
}

call_request input::from(const piece& got) {
  call_request made{.index = next_index_, .key = key_of(got)};
  if (got.too_long)
    made.data = std::unexpected(
        fmt::format("the {} is longer than 64 MiB", asked_.from == input_from::zeros ? "input" : "line"));
  else if (asked_.from == input_from::json_lines)
    from_line(got.text, made);
  else
    from_words(got, made);
  const std::string place = source_->place();
  made.name = made.id.empty() ? place : made.id;
  if (!made.data) {
    std::string& why = made.data.error();
    if (!place.empty()) why = fmt::format("{}: {}", place, why);
    if (const std::string expected = shape_.expected_form(); !why.contains(expected))
      why += fmt::format("; expected is {}", expected);
  }
  return made;
}

void input::from_words(const piece& got, call_request& into) {
  into.id = got.text;
  std::vector<std::string> words(got.values.begin(), got.values.end());
  if (words.empty()) words.emplace_back(got.text);
  into.data = shape_.from_words(words, into.index + 1, asked_.dry_run);
}

void input::from_line(std::string_view line, call_request& into) {
  auto parsed = parse_json(line);
  if (!parsed) {
    into.data = std::unexpected(std::move(parsed.error()));
    return;
  }
  json& value = *parsed;
  json arguments = json::array();
  if (is_call(value)) {
    if (value.contains("id")) into.id = id_text(value["id"]);
    if (value.contains("priority")) {
      const auto said = priority_of(value["priority"]);
      if (!said) {
        into.data = std::unexpected(said.error());
        return;
      }
      into.priority = *said;
    }
    arguments = std::move(value["args"]);
  } else if (value.is_array()) {
    arguments = std::move(value);
  } else {
    arguments.push_back(std::move(value));
  }
  into.data = shape_.from_json(arguments, into.index + 1, asked_.dry_run);
}

}  // namespace muster::cli
