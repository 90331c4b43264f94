// SPDX-License-Identifier: MIT
//
// The calls to make, one after the other: the words of the command line, or the lines of standard input,
// which are read as they arrive and no further than is asked for. Belongs to the run; the main thread alone
// uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/json_codec.hpp"

namespace muster::cli {

/// What every call of a run has in common: the function, and the arguments that --with gave.
class call_shape {
public:
  /// An error says why the function cannot be called so.
  static std::expected<call_shape, std::string> make(call_signature signature, const std::vector<json>& with);

  /// Parameters that a call itself must give.
  [[nodiscard]] std::size_t own_parameters() const noexcept { return own_.parameters.size(); }
  [[nodiscard]] const call_signature& signature() const noexcept { return signature_; }

  [[nodiscard]] encoded from_words(std::span<const std::string> words) const;
  [[nodiscard]] encoded from_json(const json& arguments) const;

private:
  call_shape() = default;
  [[nodiscard]] encoded complete(encoded own) const;

  call_signature signature_;
  call_signature own_;            // the same without the parameters that --with fills
  std::vector<std::byte> fixed_;  // the encoding of those
};

/// A call, or why it cannot be made.
struct call_request {
  std::uint64_t index = 0;
  std::string id;    // given, or the word; empty: none
  std::string name;  // for messages: the id, or "line 7"
  encoded arguments;
};

class input {
public:
  /// `descriptor` is read where the command asks for lines. Both outlive the input.
  input(const run_command& asked, const call_shape& shape, int descriptor);

  /// The next call; none: read_some() first, or there is no more.
  std::optional<call_request> next();
  /// Nothing more will come.
  [[nodiscard]] bool ended() const noexcept;
  /// What to wait for before read_some(); none: nothing has to be read for next().
  [[nodiscard]] std::optional<int> awaited() const noexcept;
  /// Reads once. Does not block when poll said that there is something.
  void read_some();
  /// Takes nothing more.
  void close() noexcept { closed_ = true; }

  /// How many calls there will be, once it is known.
  [[nodiscard]] std::optional<std::uint64_t> total() const noexcept;
  /// Calls that next() never gave; none: nobody knows how many.
  [[nodiscard]] std::optional<std::uint64_t> unread() const noexcept {
    const auto all = total();
    return all ? std::optional(*all - next_index_) : std::nullopt;
  }
  /// Why it could not be read to its end; empty: it could.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

private:
  std::optional<std::string_view> take_line();
  call_request from_line(std::string_view line);
  call_request refused(std::string id, std::string why) const;

  const run_command& asked_;
  const call_shape& shape_;
  int descriptor_;
  std::uint64_t next_index_ = 0;
  bool closed_ = false;

  // Lines only.
  std::string buffer_;
  std::size_t taken_ = 0;     // of the buffer
  std::size_t searched_ = 0;  // of the buffer, for the end of a line
  std::uint64_t line_ = 0;
  bool at_end_ = false;
  bool too_long_ = false;  // the line at hand is, and is skipped
  std::string problem_;
};

}  // namespace muster::cli
