// SPDX-License-Identifier: MIT
#pragma once

/// Options that belong together, under a name. A preset is a starting point: it is options like those you
/// would write, for either kind of pool, to be used as they are or changed first.
///
///     muster::process_pool pool(muster::presets::production());
///
///     muster::process_options options = muster::presets::io();
///     options.queue.capacity = 100;
///     muster::process_pool other(options);
///
/// What differs between the two kinds (limits, health, signals) is set where it exists. docs/guide/presets.md
/// says what each sets and why.

#include <string_view>
#include <vector>

#include <muster/options.hpp>

namespace muster {

/// One of the presets below.
struct preset {
  std::string_view name{};
  thread_options threads{};
  process_options processes{};
  /// For its tasks: pool.submit(chosen.tasks, f, 1). Pools have no limit on the time of tasks of their own.
  task_options tasks{};

  operator thread_options() const { return threads; }     // NOLINT(google-explicit-constructor)
  operator process_options() const { return processes; }  // NOLINT(google-explicit-constructor)
};

namespace presets {

// ---- By what tasks do. `cpus`: 0 means the usable CPUs of this process.

/// Tasks that compute: a worker for each CPU.
preset cpu(int cpus = 0);
/// The same, and one CPU is left to the owner.
preset cpu_but_one(int cpus = 0);
/// Tasks that wait for disks and networks: two workers for each CPU.
preset io(int cpus = 0);
/// Tasks that do little but wait: ten workers for each CPU.
preset io_heavy(int cpus = 0);
/// Some of both: two workers for each CPU.
preset mixed(int cpus = 0);
/// Tasks that need much memory: a worker for every second CPU, at least 2; processes of more than 512 MiB are
/// replaced after their task.
preset memory(int cpus = 0);
/// Tasks of microseconds, of which few workers do more: one for every second CPU, at least 2.
preset short_tasks(int cpus = 0);

// ---- For a service that runs for months.

/// Fixed size, bounded queue and wait, watched health, regular replacement, a stop in three steps, no
/// retries.
preset production(int cpus = 0);

// ---- The defaults of well-known texts on pools, for who comes from there.

/// "Process Pooling Patterns" (Node): 2 to 10 workers, three retries after a crash, 512 MiB, tasks of 30 s.
preset process_pooling();
/// "Worker Pools" (Node threads): 4 workers, no bound on the queue, tasks of 30 s.
preset worker_pools();
/// "Building Process Managers" (Node): a queue of 1,000 that refuses, pings of 3 s, restarts after 1 s to 30
/// s.
preset process_manager(int cpus = 0);
/// The library @jjavery/worker-pool (Node): 0 to 3 workers on demand, fewest tasks first, SIGTERM and 10 s.
preset node_worker_pool();
/// "Worker Pool Pattern" (Go): a queue of twice the workers that refuses, retries after 2 s, 4 s, 8 s.
preset go_worker_pool(int cpus = 0);

// ---- By name

/// The names of the functions above.
std::vector<std::string_view> names();
/// Throws invalid_options, which lists the known names.
preset named(std::string_view name);

}  // namespace presets
}  // namespace muster
