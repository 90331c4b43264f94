// SPDX-License-Identifier: MIT
#include "cli/input.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace muster::cli {
namespace {

/// A longer line is refused, so that a file without line ends does not fill the memory.
constexpr std::size_t longest_line = std::size_t{64} << 20;

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

/// A string is an id as it is, any other value as its text.
std::string id_text(const json& value) { return value.is_string() ? value.get<std::string>() : show(value); }

/// {"args": [...]}, {"args": [...], "id": ...}
bool is_call(const json& value) {
  if (!value.is_object() || !value.contains("args") || !value["args"].is_array()) return false;
  return value.size() == (value.contains("id") ? 2U : 1U);
}

}  // namespace

// -------------------------------------------------------------------------------------------------------
// call_shape

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
  }
  made.signature_ = std::move(signature);
  return made;
}

encoded call_shape::from_words(std::span<const std::string> words) const {
  return complete(encode_words(own_, words));
}

encoded call_shape::from_json(const json& arguments) const {
  return complete(encode_arguments(own_, arguments));
}

encoded call_shape::complete(encoded own) const {
  if (own) own->insert(own->end(), fixed_.begin(), fixed_.end());
  return own;
}

// ------------------------------------------------------------------------------------------------------------
// input

input::input(const run_command& asked, const call_shape& shape, int descriptor)
    : asked_(asked), shape_(shape), descriptor_(descriptor) {}

std::optional<std::uint64_t> input::total() const noexcept {
  if (!asked_.json_lines) return asked_.words.empty() ? 1 : asked_.words.size();
  if (at_end_ && taken_ == buffer_.size()) return next_index_;
  return std::nullopt;
}

bool input::ended() const noexcept { return closed_ || total() == next_index_; }

std::optional<int> input::awaited() const noexcept {
  if (!asked_.json_lines || closed_ || at_end_ || searched_ < buffer_.size()) return std::nullopt;
  return descriptor_;
}

std::optional<call_request> input::next() {
  if (ended()) return std::nullopt;
  if (!asked_.json_lines) {
    call_request made{.index = next_index_, .id = {}, .name = "the call", .arguments = {}};
    if (asked_.words.empty()) {
      made.arguments = shape_.from_words({});
    } else {
      const std::string& word = asked_.words[next_index_];
      made.id = made.name = word;
      made.arguments = shape_.from_words({&word, 1});
      if (!made.arguments) made = refused(word, made.arguments.error());
    }
    ++next_index_;
    return made;
  }
  while (const auto line = take_line()) {
    const bool skipped = std::exchange(too_long_, false);
    if (!skipped && is_blank(*line)) continue;
    call_request made = skipped
                            ? refused({}, fmt::format("the line is longer than {} MiB", longest_line >> 20))
                            : from_line(*line);
    ++next_index_;
    return made;
  }
  return std::nullopt;
}

call_request input::refused(std::string id, std::string why) const {
  const std::string expected = shape_.signature().title();
  if (asked_.json_lines) why = fmt::format("line {}: {}", line_, why);
  if (!why.contains(expected)) why += fmt::format("; expected is {}", expected);
  call_request made{
      .index = next_index_, .id = std::move(id), .name = {}, .arguments = std::unexpected(std::move(why))};
  made.name = made.id.empty() ? fmt::format("line {}", line_) : made.id;
  return made;
}

call_request input::from_line(std::string_view line) {
  json value = json::parse(line, nullptr, false);
  if (value.is_discarded()) return refused({}, "this is not JSON");
  std::string id;
  json arguments = json::array();
  if (is_call(value)) {
    if (value.contains("id")) id = id_text(value["id"]);
    arguments = std::move(value["args"]);
  } else if (value.is_array()) {
    arguments = std::move(value);
  } else {
    arguments.push_back(std::move(value));
  }
  encoded bytes = shape_.from_json(arguments);
  if (!bytes) return refused(std::move(id), bytes.error());
  call_request made{.index = next_index_, .id = std::move(id), .name = {}, .arguments = std::move(bytes)};
  made.name = made.id.empty() ? fmt::format("line {}", line_) : made.id;
  return made;
}

/// The next whole line, valid until the next read. The last one need not end in a line end.
std::optional<std::string_view> input::take_line() {
  const std::size_t end = buffer_.find('\n', searched_);
  const bool whole = end != std::string::npos;
  if (!whole && !(at_end_ && taken_ < buffer_.size())) {
    searched_ = buffer_.size();
    if (buffer_.size() - taken_ > longest_line) {
      too_long_ = true;
      buffer_.clear();
      taken_ = searched_ = 0;
      buffer_.push_back(' ');  // so that the skipped line is not taken for the end of the input
    }
    return std::nullopt;
  }
  const std::size_t stop = whole ? end : buffer_.size();
  const std::string_view line = std::string_view(buffer_).substr(taken_, stop - taken_);
  taken_ = searched_ = std::min(stop + 1, buffer_.size());
  ++line_;
  return line;
}

void input::read_some() {
  constexpr std::size_t chunk = std::size_t{64} << 10;
  buffer_.erase(0, taken_);
  searched_ -= taken_;
  taken_ = 0;
  const std::size_t had = buffer_.size();
  buffer_.resize(had + chunk);
  const ssize_t got = ::read(descriptor_, buffer_.data() + had, chunk);
  buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) return;
  if (got < 0) problem_ = fmt::format("standard input cannot be read: {}", std::strerror(errno));
  at_end_ = true;
}

}  // namespace muster::cli
