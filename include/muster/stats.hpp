// SPDX-License-Identifier: MIT
#pragma once

/// A snapshot of a pool. The counts of tasks are exact and add up:
/// submitted = queued + running + waiting + succeeded + failed + cancelled. They go on when a pool that was
/// stopped is started again; `workers`, `degraded` and `throttled` are of its present life.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <muster/arena_options.hpp>

namespace muster {

/// Where a pool is between its start and its stop. A recycle changes nothing about it.
enum class pool_state : std::uint8_t {
  not_started,  ///< Made with `.start = false`.
  started,      ///< It takes tasks.
  stopping,     ///< It takes no more, and finishes those there are.
  stopped,      ///< Nothing of it is left, but threads that ignore their stop token. It may be started again.
};

enum class worker_state : std::uint8_t { starting, idle, busy, stopping, unhealthy, dead };

/// Times of a kind, from a histogram: quantiles are at most 1/32 (3 %) above what was measured, and the rest
/// is exact.
struct time_summary {
  std::size_t count = 0;  ///< So many were measured: see measure_options.
  std::chrono::nanoseconds total{};
  std::chrono::nanoseconds mean{};
  std::chrono::nanoseconds p50{}, p90{}, p99{};
  std::chrono::nanoseconds max{};
};

struct worker_stats {
  unsigned slot = 0;
  unsigned generation = 0;
  int pid = 0;  ///< 0 for a thread, and for a process that is dead or has not come up.
  worker_state state{};
  std::size_t tasks_done = 0;  ///< Attempts that ended, by this generation.
  /// How long it ran tasks, those that have ended. A process counts from when a call could begin until its
  /// last answer was seen.
  std::chrono::nanoseconds busy_time{};
  /// Since when it has had nothing to do; none: it works, or is not up.
  std::optional<std::chrono::steady_clock::time_point> idle_since{};

  // Worker processes only:

  std::size_t errors = 0;                         ///< Of these, how many threw.
  std::chrono::steady_clock::time_point since{};  ///< When this generation was started.
  std::uint64_t task = 0;  ///< The number of the task it has begun, of several the first; 0: none is known.
  /// Resident bytes that are its own, when it was last looked at (health_options, limits.memory_soft); may
  /// count memory that it shares with the program it was forked from. std::nullopt: not looked at yet.
  std::optional<std::size_t> memory{};
  std::optional<std::size_t> reported_memory{};  ///< What it last gave to this_worker::report_memory.
  int failed_checks = 0;                         ///< Health checks in a row.
};

/// How many tasks of one priority wait.
struct priority_stats {
  int priority = 0;
  std::size_t queued = 0;
};

enum class breaker_state : std::uint8_t { closed, open, half_open };

std::string_view name(breaker_state state) noexcept;

/// A circuit breaker: see breaker_options.
struct breaker_stats {
  std::string label{};  ///< Empty: of the whole pool.
  breaker_state state{};
  int failures = 0;         ///< In a row.
  std::size_t opened = 0;   ///< How often it opened.
  std::size_t refused = 0;  ///< Tasks that it refused.
};

struct stats {
  std::size_t submitted = 0;
  std::size_t queued = 0;   ///< Waiting for a worker.
  std::size_t running = 0;  ///< Handed to a worker and not answered.
  std::size_t waiting = 0;  ///< Failed, and waiting for its next attempt.
  std::size_t succeeded = 0;
  std::size_t failed = 0;  ///< Settled with an error other than cancelled.
  std::size_t cancelled = 0;
  std::size_t rejected =
      0;  ///< Never accepted: queue_full, enqueue_timeout, would_be_late, memory_pressure,
          ///< pool_stopped, cancelled while its submitter waited, circuit_open, quarantined.
  std::size_t retried = 0;  ///< Attempts after the first.
  std::size_t late = 0;     ///< Results that came after their task had settled; dropped.
  std::size_t peak_queued = 0;
  std::size_t workers_started = 0;
  std::size_t workers_died = 0;
  std::size_t workers_recycled = 0;  ///< Replaced while they were well: see event_kind::worker_recycled.
  bool degraded = false;
  bool throttled = false;  ///< No task starts at the moment: see throttle_options.
  /// Processor time of all workers so far and of the processes they started, as of the last look. 0 without
  /// throttle_options::percent, when nobody looks.
  std::chrono::nanoseconds cpu_time{};
  std::string
      memory_limit_means{};  ///< "cgroup v2 …", "cgroup v1 …", "RLIMIT_DATA …" or "no memory limit: …", and
                             ///< why or where; empty where none was asked for, or nothing started.
  std::vector<worker_stats> workers{};
  /// `queued` for each priority, the highest first; priorities of which none waits are left out.
  std::vector<priority_stats> queued_by_priority{};
  std::size_t dropped = 0;  ///< Of `failed`, those that made room: see when_full::drop_oldest, drop_newest.
  std::vector<breaker_stats> breakers{};  ///< The pool's first, then those of labels, in no order.
  std::size_t quarantined = 0;            ///< Of `failed`, those that were set aside: see quarantine_options.
  std::size_t dead_letters = 0;           ///< Kept at the moment.
  std::size_t workers_ended = 0;  ///< As many as started are alive or ended, those that never came up too.
  std::size_t peak_busy = 0;      ///< Most workers that were busy at once; exact.
  bool paused = false;            ///< See pool.pause().
  std::size_t attempts = 0;       ///< Attempts of tasks that ended in workers, those that are gone too.
  /// How long these ran, all together and without their waits; what runs now counts once it has ended.
  std::chrono::nanoseconds processing_time{};
  /// From submit until the task first began, and how long each attempt ran; of those that were measured.
  time_summary waited{}, ran{};
  /// Everything that went wrong, each once: the last error of each task that settled with one, the errors
  /// that led to retries, refused submits, by name(error_code), where it was no muster::error as "exception";
  /// what broke between a worker process and its owner, as "ECONNRESET" or the like; hooks that threw, as
  /// "hook".
  std::map<std::string, std::size_t> errors_by_code{};
  int workers_wanted = 0;  ///< As many there are to be; more or fewer may live while some start or end.
  int workers_min = 0, workers_max = 0;  ///< As in the options, or as resize() has set them.
  arena_stats arena{};                   ///< What pool.lease has lent, and large arguments.

  /// How many workers are in this state now.
  [[nodiscard]] std::size_t count(worker_state state) const {
    std::size_t found = 0;
    for (const worker_stats& w : workers) found += w.state == state ? 1 : 0;
    return found;
  }
  /// Those that are not dead.
  [[nodiscard]] std::size_t alive() const { return workers.size() - count(worker_state::dead); }
  [[nodiscard]] std::size_t busy() const { return count(worker_state::busy); }
  /// Ready for a task.
  [[nodiscard]] std::size_t idle() const { return count(worker_state::idle); }
  /// The part of the workers that are up and well which is busy, from 0 to 1; 0 when there are none.
  [[nodiscard]] double utilization() const {
    const std::size_t up = busy() + idle();
    return up == 0 ? 0.0 : static_cast<double>(busy()) / static_cast<double>(up);
  }
  /// How long an attempt ran on average, without its wait; 0 when none has ended.
  [[nodiscard]] std::chrono::nanoseconds average_run_time() const {
    return attempts == 0 ? std::chrono::nanoseconds{}
                         : processing_time / static_cast<std::chrono::nanoseconds::rep>(attempts);
  }
  /// Percent of the tasks that settled with a value or an error; 0 when none has. What runs or waits counts
  /// as neither, as does what was cancelled.
  [[nodiscard]] double success_rate() const {
    const std::size_t settled = succeeded + failed;
    return settled == 0 ? 0.0 : 100.0 * static_cast<double>(succeeded) / static_cast<double>(settled);
  }
};

/// What recycle() did. Of the workers there were when it was called, each is counted once.
struct recycle_report {
  std::size_t replaced = 0;  ///< Gone, and what was to take their place is ready.
  std::size_t leaving =
      0;                 ///< Replaced as well, but still finishing the task they run (only at the deadline).
  std::size_t kept = 0;  ///< Not replaced: they go on serving.
  /// A new worker did not come up, so those that were left stay; or changed settings are not in force, and
  /// also those who had them are replaced once more.
  bool rolled_back = false;
  std::string why{};  ///< Why not all were replaced. Empty: all were.
};

/// What stop() found: it says whether the deadline forced it, and names what would not end.
struct stop_report {
  bool forced = false;        ///< The deadline passed with tasks unsettled; they were cancelled.
  std::size_t cancelled = 0;  ///< Tasks that were settled as cancelled or pool_stopped.
  std::size_t killed = 0;     ///< Worker processes that had to be killed.
  std::vector<std::uint64_t>
      stuck{};             ///< Thread tasks that ignore their stop token; their threads are not joined yet.
  std::size_t unread = 0;  ///< Results of this pool that lie unread in a muster::results, where they stay.
};

}  // namespace muster
