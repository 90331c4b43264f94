// SPDX-License-Identifier: MIT
#pragma once

/// How many workers suit which work, by rules of thumb: `.workers = {muster::sizes::cpu()}`. Measure where it
/// matters. `cores` defaults to what this process may use: its CPU affinity and the CPU quotas of its control
/// groups, not what the machine has. Fewer than 1 counts as 1; the result is within 1..4096.

#include <optional>

namespace muster::sizes {

/// CPUs that this process may use: by sched_getaffinity and by the quotas of cgroup v1 and v2, its own and
/// those above it, rounded up. At least 1.
int cores();

/// Tasks that compute: one worker for each core.
int cpu(std::optional<int> cores = {});
/// The same, leaving one core to the rest of the program: cores - 1, at least 1.
int cpu_but_one(std::optional<int> cores = {});
/// Tasks that mostly wait (for disks, networks, other programs): 2 for each core, or as many as you say.
int io(std::optional<int> cores = {}, int for_each_core = 2);
/// Some of both: 2 for each core.
int mixed(std::optional<int> cores = {});
/// Tasks that need much memory or its bandwidth: half the cores, at least 2.
int memory(std::optional<int> cores = {});
/// Tasks of microseconds, which gain little from many workers: half the cores, at least 2.
int short_tasks(std::optional<int> cores = {});

}  // namespace muster::sizes
