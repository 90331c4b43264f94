// SPDX-License-Identifier: MIT
#pragma once

/// Lines that tasks log, wherever they run:
///
///     muster::log(muster::log_level::info, "resized " + path);
///
/// They arrive where the pool is, with the task that said them: in the sink that the pool was given
/// (`.log = [](const muster::log_line& line) { … }`), or else on its standard error:
///
///     [muster-0 task 17 (page 3)] info: resized page-3.png
///
/// To log never blocks (but on a thread pool without a sink, which writes to standard error itself) and never
/// fails. A line longer than 4 KiB is cut and says so. Where lines come faster than they are taken (1,024
/// wait for the sink of a pool, about 200 between a worker process and its owner) new ones are dropped, and
/// the next line that gets through says how many.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

enum class log_level : std::uint8_t { debug, info, warning, error };

std::string_view name(log_level level) noexcept;

struct log_line {
  log_level level = log_level::info;
  std::string text{};                            ///< At most about 4 KiB; may hold line breaks.
  std::chrono::system_clock::time_point time{};  ///< When it was said, by the clock of who said it.
  std::string pool{};                            ///< Its options' name.
  std::optional<unsigned> worker{};              ///< The worker's slot.
  unsigned generation = 0;                       ///< Worker processes only.
  int pid = 0;                                   ///< Worker processes only; 0: not known yet.
  std::uint64_t task = 0;                        ///< The task that ran then; 0: none.
  std::string task_id{};                         ///< task_options::id.
  std::uint64_t dropped = 0;                     ///< So many lines before this one were lost.
  std::string label{};                           ///< task_options::label.
  /// name(event_kind) where the pool speaks of itself (own_log_options), "task_ended" for a line about an
  /// attempt; empty: a task said it.
  std::string event{};

  /// "[pool-slot task 17 (label: id)] level: text", without a line break at its end.
  [[nodiscard]] std::string line() const;
};

/// Called on the pool's callback executor, one line after the other in the order in which they arrived. What
/// a task said before it ended arrives before the continuations of its future run.
using log_sink = std::function<void(const log_line&)>;

/// Logs a line. Any thread: in a worker process it belongs to the task that runs there, in a thread pool to
/// the task of the calling thread; elsewhere it goes to standard error. (Code in a module that does not link
/// the library says context::log.)
void log(log_level level, std::string_view text) noexcept;

}  // namespace muster
