// SPDX-License-Identifier: MIT
//
// The calls to make, one after the other, made from what a source gives. Belongs to the run; the main thread
// alone uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <muster/options.hpp>

#include "cli/arguments.hpp"
#include "cli/call_shape.hpp"
#include "cli/source.hpp"

namespace muster::cli {

/// A call, or why it cannot be made.
struct call_request {
  std::uint64_t index = 0;
  std::string id{};    // given, or the word, or those of a combination; empty: none
  std::string name{};  // for messages: the id, or "line 7"
  std::string key{};   // by which a job log knows the call: its input as text
  call_shape::made data{};
  std::optional<muster::priority> priority{};  // where the line says one
};

class input {
public:
  /// `descriptor` is standard input. All outlive the input.
  input(const run_command& asked, const call_shape& shape, int descriptor);

  /// The next call; none: read_some() first, or there is no more.
  std::optional<call_request> next();
  /// Nothing more will come.
  [[nodiscard]] bool ended() const noexcept { return closed_ || is_read(); }
  [[nodiscard]] std::optional<int> awaited() const noexcept {
    return closed_ || !source_ ? std::nullopt : source_->awaited();
  }
  void read_some() { source_->read_some(); }
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
  [[nodiscard]] std::string problem() const { return source_ ? source_->problem() : std::string(); }

private:
  [[nodiscard]] bool is_read() const noexcept { return source_ ? source_->ended() : next_index_ == 1; }
  call_request from(const piece& got);
  void from_words(const piece& got, call_request& into);
  void from_line(std::string_view line, call_request& into);

  const run_command& asked_;
  const call_shape& shape_;
  std::unique_ptr<source> source_;  // none: one call without inputs
  std::uint64_t next_index_ = 0;
  bool closed_ = false;
};

}  // namespace muster::cli
