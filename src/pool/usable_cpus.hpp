// SPDX-License-Identifier: MIT
#pragma once

// How many CPUs this process may really use, for the default sizes of pools. Any thread.

#include <optional>
#include <string>

namespace muster::pool {

// Where /proc and the mounts are; tests put a made-up tree here.
struct cpu_view {
  std::string own_cgroups = "/proc/self/cgroup";
  std::string mounts = "/proc/self/mountinfo";
};

// How many CPUs' time the control groups of this process allow it: the strictest quota of its own group and
// of those above it. None: as much as there is.
std::optional<double> cpu_quota(const cpu_view& view = {});

// The affinity mask, and the quota rounded up; at least 1.
int usable_cpus();

}  // namespace muster::pool
