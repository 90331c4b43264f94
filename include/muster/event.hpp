// SPDX-License-Identifier: MIT
#pragma once

/// What a pool tells about itself while it runs: `pool.on(muster::event_kind::worker_died, handler)`.
/// Handlers run on the pool's callback executor, one after the other and never under a lock of ours, so they
/// may call back into the pool. What a handler throws is reported on standard error and goes no further.
///
/// Of three kinds the first in a pool is also one line on standard error when nobody listens to that kind:
/// task_failed, degraded and chooser_failed. A handler for the kind, even one that does nothing, silences it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <muster/error.hpp>

namespace muster {

struct stats;

enum class event_kind : std::uint8_t {
  started,          ///< The pool's first workers are ready.
  stopped,          ///< Nothing of the pool is left.
  worker_started,   ///< A worker was asked for.
  worker_ready,     ///< It takes tasks from now on.
  worker_stopped,   ///< It ended because it was told to.
  worker_died,      ///< It ended, or was killed, and nobody wanted that: see event::death.
  worker_recycled,  ///< Its replacement is ready and it was told to end, though nothing is wrong with it; the
                    ///< text says why. worker_stopped follows when it has.
  worker_unhealthy,  ///< It failed a health check (health_options); the text says what was seen.
  worker_healthy,    ///< It passed one again.
  start_failed,      ///< A worker did not come up; the text says why.
  degraded,          ///< Workers cannot be started at the moment; the pool keeps trying.
  recovered,         ///< They can again.
  scaled,            ///< The number of workers wanted changed: see event::from and to; the text says why.
  task_began,  ///< An attempt began. Only sent for tasks with a timeout, a deadline, or task_options::report,
               ///< and where breaker_options::slow is set.
  task_failed,      ///< A task started by `post` failed: see event::error.
  task_retried,     ///< An attempt failed and the task will run again.
  task_stuck,       ///< A thread task was told to stop and has not returned.
  memory_pressure,  ///< The owner's memory is above owner_memory_options::limit: see event::bytes.
  chooser_failed,   ///< choose_options::chooser threw or chose nobody there is; the pool goes on without it.
  task_dropped,   ///< A task gave its place to another, or found none: see when_full; event::error is what it
                  ///< settled with.
  stopping,       ///< It was told to stop, and takes no new tasks; `stopped` follows.
  paused,         ///< No task begins from now on: pool.pause().
  resumed,        ///< They begin again.
  health_report,  ///< At the pace of report_options::every: see event::stats.
  backing_up,     ///< The queue is long for the workers there are: see report_options::backing_up_at.
  /// Something went wrong: a task settled with an error (posts too, beside task_failed), a worker process and
  /// its owner cannot talk any more, a hook threw. The text says it in a line; event::error,
  /// event::backtrace, worker and task are the context.
  error,
  worker_failed,        ///< Workers died in this slot too often; it stays empty for a while: restart_options.
  circuit_opened,       ///< Tasks are refused from now on: see breaker_options. The text says which, and why.
  circuit_half_opened,  ///< Some are let through on trial.
  circuit_closed,       ///< All are accepted again.
  task_quarantined,     ///< Workers died under it too often: see quarantine_options and event::error.
};

std::string_view name(event_kind kind) noexcept;

struct event {
  event_kind kind{};
  std::chrono::steady_clock::time_point time{};
  std::string text{};                ///< One line for a log.
  std::optional<unsigned> worker{};  ///< The worker's slot.
  unsigned generation = 0;
  int pid = 0;             ///< Worker processes only.
  std::uint64_t task = 0;  ///< 0: none.
  std::string task_id{};
  std::shared_ptr<const muster::death> death{};  ///< worker_died, worker_stopped (processes).
  std::exception_ptr error{};  ///< task_failed, task_retried, task_dropped, task_quarantined, error.
  std::size_t bytes = 0;       ///< memory_pressure: the owner's private memory.
  int from = 0, to = 0;        ///< scaled: workers wanted before, and now.
  std::string label{};         ///< task_options::label.
  std::shared_ptr<const muster::stats> stats{};  ///< health_report; include stats.hpp.
  /// error: where it was thrown, or where the worker process ended, as far as that is known; lines.
  std::string backtrace{};
};

using event_handler = std::function<void(const event&)>;

/// Returned by `on`, taken by `off`.
enum class subscription : std::uint64_t {};

}  // namespace muster
