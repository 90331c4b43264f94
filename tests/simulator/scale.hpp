// SPDX-License-Identifier: MIT
#pragma once

// What the decisions of a pool cost when it has many workers and many tasks: the real plan and the real
// intake, by hand, with no worker and no task that does anything.

#include <cstdint>
#include <ostream>

namespace muster::sim {

// A table of nanoseconds a decision, at 10, 1,000 and 100,000 workers, and up to so many tasks. 0: all is
// well.
int print_scale(std::ostream& to, std::uint64_t most_workers, std::uint64_t most_tasks);

}  // namespace muster::sim
