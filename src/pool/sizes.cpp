// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>

#include <muster/sizes.hpp>

#include "pool/usable_cpus.hpp"

namespace muster::sizes {

namespace {

std::int64_t given(std::optional<int> cores) { return std::max(1, cores ? *cores : pool::usable_cpus()); }
int within(std::int64_t workers, int least = 1) {
  return static_cast<int>(std::clamp<std::int64_t>(workers, least, 4'096));
}

}  // namespace

int cores() { return pool::usable_cpus(); }

int cpu(std::optional<int> cores) { return within(given(cores)); }
int cpu_but_one(std::optional<int> cores) { return within(given(cores) - 1); }
int io(std::optional<int> cores, int for_each_core) {
  return within(given(cores) * std::max(1, for_each_core));
}
int mixed(std::optional<int> cores) { return within(given(cores) * 2); }
int memory(std::optional<int> cores) { return within(given(cores) / 2, 2); }
int short_tasks(std::optional<int> cores) { return within(given(cores) / 2, 2); }

}  // namespace muster::sizes
