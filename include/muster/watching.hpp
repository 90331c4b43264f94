// SPDX-License-Identifier: MIT
#pragma once

/// Watching a pool while it works: times, reports, metrics and the lines a pool logs about itself. All of it
/// is off unless asked for, and costs nothing then. docs/guide/watching.md shows it at work.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <muster/log.hpp>

namespace muster {

struct stats;
using duration = std::chrono::nanoseconds;

/// Whose times are measured, for stats().waited and stats().ran.
struct measure_options {
  /// One task in so many: 1 is each, 64 is enough for the shape of many short ones. Measuring takes the clock
  /// three times and some 400 bytes while the task lives. Range 1..1000000. std::nullopt: none.
  std::optional<unsigned> one_in{};
};

/// A look at the pool at a steady pace, while it runs.
struct report_options {
  /// At least 1 ms; usual is 5s. At each there is event_kind::health_report, with the stats and a line for
  /// people. std::nullopt: no reports, and no timer.
  std::optional<duration> every{};
  /// Called at each report, on the callback executor. What it throws is reported on standard error.
  std::function<void(const stats&)> hook{};
  /// A report that finds more than so many queued tasks for each worker warns by event_kind::backing_up:
  /// once, and again only after a report has found at most half as many. Range 1..1000000. std::nullopt: no
  /// warning.
  std::optional<unsigned> backing_up_at = 5;
};

/// What a pool logs about itself, beside what its tasks log: a line for each of its events (event.hpp), to
/// the pool's `log`, or to standard error where there is none. Such a line has log_line::event, and no task
/// unless it is about one.
struct own_log_options {
  /// The least level that is told. error: what needs somebody (a task failed, workers cannot be started);
  /// warning: deaths, retries, tasks that are stuck, a queue that is backing up; info: start and stop,
  /// scaling, recycling, health reports; debug: each worker that comes and goes. std::nullopt: nothing.
  std::optional<log_level> level{};
  /// Also a line at level info for each attempt of a task that ended: which, where, how long it ran. Measures
  /// every task, as measure_options::one_in = 1 does.
  bool tasks = false;
};

/// Which task a metric is about.
struct task_metric {
  std::string_view pool{};
  std::uint64_t task = 0;
  std::string_view id{};             ///< task_options::id.
  std::string_view label{};          ///< task_options::label.
  std::optional<unsigned> worker{};  ///< The worker's slot; none: its submitter ran it.
  int attempt = 1;
};

/// Where metrics go: implement what you need and give the pool a std::shared_ptr to it (`.metrics`). Called
/// on the pool's callback executor, one call after the other and never under a lock of ours; it may call back
/// into the pool. What it throws is reported on standard error. With a sink every task is measured, as by
/// measure_options::one_in = 1. Where calls come faster than the sink takes them (65,536 wait) the newest are
/// lost, and `lost` says how many.
class metrics_sink {
public:
  virtual ~metrics_sink() = default;
  /// An attempt began. One that was taken back before it had any effect begins again.
  virtual void task_started(const task_metric& /*task*/) {}
  /// It ended with a value; how long it ran, without its wait.
  virtual void task_completed(const task_metric& /*task*/, duration /*run*/) {}
  /// It ended with an error; `code` as in `error`.
  virtual void task_failed(const task_metric& /*task*/, duration /*run*/, std::string_view /*code*/) {}
  /// Something went wrong: what stats().errors_by_code counts.
  virtual void error(std::string_view /*code*/) {}
  /// At each report (report_options::every).
  virtual void gauges(std::string_view /*pool*/, const stats& /*now*/) {}
  /// So many calls before this one could not be kept.
  virtual void lost(std::size_t /*calls*/) {}
};

}  // namespace muster
