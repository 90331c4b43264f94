// SPDX-License-Identifier: MIT
#include "pool/usable_cpus.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/cgroup.hpp"
#include "base/read_file.hpp"

namespace muster::pool {

namespace {

std::string contents(const std::string& path) { return base::read_whole(path).value_or(""); }

// Quota and period in microseconds, where the files of either version tell them.
std::optional<double> quota_in(const std::string& directory) {
  double quota = 0, period = 0;  // "max" is no number, and version 1 says -1
  if (std::ifstream v2(directory + "/cpu.max"); v2 >> quota >> period && quota > 0 && period > 0)
    return quota / period;
  if (std::ifstream v1(directory + "/cpu.cfs_quota_us"); v1 >> quota && quota > 0)
    if (std::ifstream p(directory + "/cpu.cfs_period_us"); p >> period && period > 0) return quota / period;
  return std::nullopt;
}

}  // namespace

std::optional<double> cpu_quota(const cpu_view& view) {
  const std::string cgroups = contents(view.own_cgroups);
  const std::string mounts = contents(view.mounts);
  std::optional<double> strictest;
  const auto look_in = [&](const std::string& directory) {
    if (const auto quota = quota_in(directory)) strictest = std::min(*quota, strictest.value_or(*quota));
  };
  using controller = std::optional<std::string_view>;
  for (const controller version : {controller(), controller("cpu")}) {
    const auto own = base::cgroup_of(cgroups, version);
    if (!own) continue;
    const auto found = base::find_directory(*own, mounts);
    if (!found) continue;
    std::string at = found->directory;
    for (; at.size() > found->top.size(); at.erase(at.rfind('/'))) look_in(at);
    look_in(found->top);
  }
  return strictest;
}

int usable_cpus() {
  cpu_set_t mask;
  int cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) cpus = CPU_COUNT(&mask);
  if (const auto quota = cpu_quota()) cpus = std::min(cpus, static_cast<int>(*quota + 0.999));
  return std::max(1, cpus);
}

}  // namespace muster::pool
