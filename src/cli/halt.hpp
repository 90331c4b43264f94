// SPDX-License-Identifier: MIT
//
// When a run ends before its input does: `--halt soon,fail=3`. A pure rule; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace muster::cli {

struct halt_rule {
  enum class counted : std::uint8_t { fail, success, done };

  bool at_once = false;  // what runs is ended too
  counted what = counted::fail;
  double limit = 1;      // so many, or with `percent` so many of a hundred
  bool percent = false;  // of the calls done so far, looked at when there are at least three

  /// Whether it is time, after so many calls.
  [[nodiscard]] bool is_reached(std::uint64_t done, std::uint64_t failed) const noexcept;
  /// "3 calls failed".
  [[nodiscard]] std::string reason() const;
};

/// `soon,fail=3`, `now,fail=10%`, `soon,success=1`, `now,done=100`. An error says what it must look like.
std::expected<halt_rule, std::string> parse_halt(std::string_view text);

}  // namespace muster::cli
