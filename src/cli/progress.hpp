// SPDX-License-Identifier: MIT
//
// What the command tells a person on standard error while it runs: a bar on a terminal, a line every few
// seconds elsewhere, and messages. Belongs to the run; the main thread alone uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace muster::cli {

class progress {
public:
  using clock = std::chrono::steady_clock;

  struct state {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::optional<std::uint64_t> total{};
    std::size_t busy = 0;
    std::size_t workers = 0;
  };

  /// `shown` false: only messages.
  explicit progress(bool shown);
  ~progress() { clear(); }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// When show() is next of use; none: never.
  [[nodiscard]] std::optional<clock::time_point> due() const noexcept;
  void show(const state& now);
  /// A line of its own, "muster: ...".
  void say(const std::string& message);
  /// Text as it is, to standard error.
  void show_output(const std::string& text);
  /// Takes the bar away.
  void clear();

private:
  [[nodiscard]] std::string speed_of(const state& now) const;

  bool shown_;
  bool terminal_;
  bool coloured_;
  bool drawn_ = false;
  clock::time_point began_ = clock::now();
  clock::time_point due_;
};

/// "42 s", "3 min 20 s".
std::string time_text(double seconds);

}  // namespace muster::cli
