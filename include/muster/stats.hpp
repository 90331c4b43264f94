// SPDX-License-Identifier: MIT
#pragma once

/// A snapshot of a pool. The counts of tasks are exact and add up:
/// submitted = queued + running + waiting + succeeded + failed + cancelled. They go on when a pool that was
/// stopped is started again; `workers`, `degraded` and `throttled` are of its present life.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// Where a pool is between its start and its stop. A recycle changes nothing about it.
enum class pool_state : std::uint8_t {
  not_started,  ///< Made with `.start = false`.
  started,      ///< It takes tasks.
  stopping,     ///< It takes no more, and finishes those there are.
  stopped,      ///< Nothing of it is left, but threads that ignore their stop token. It may be started again.
};

enum class worker_state : std::uint8_t { starting, idle, busy, stopping, unhealthy, dead };

struct worker_stats {
  unsigned slot = 0;
  unsigned generation = 0;
  int pid = 0;  ///< 0 for a thread, and for a process that is dead or has not come up.
  worker_state state{};
  std::size_t tasks_done = 0;  ///< By this generation.

  // Worker processes only:

  std::size_t errors = 0;                         ///< Of these, how many threw.
  std::chrono::steady_clock::time_point since{};  ///< When this generation was started.
  std::uint64_t task = 0;  ///< The number of the task it has begun; 0: none is known to have.
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

struct stats {
  std::size_t submitted = 0;
  std::size_t queued = 0;   ///< Waiting for a worker.
  std::size_t running = 0;  ///< Handed to a worker and not answered.
  std::size_t waiting = 0;  ///< Failed, and waiting for its next attempt.
  std::size_t succeeded = 0;
  std::size_t failed = 0;  ///< Settled with an error other than cancelled.
  std::size_t cancelled = 0;
  std::size_t rejected = 0;  ///< Never accepted: queue_full, enqueue_timeout, would_be_late, memory_pressure,
                             ///< pool_stopped, cancelled while its submitter waited.
  std::size_t retried = 0;   ///< Attempts after the first.
  std::size_t late = 0;      ///< Results that came after their task had settled; dropped.
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
