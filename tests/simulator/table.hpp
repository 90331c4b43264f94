// SPDX-License-Identifier: MIT
#pragma once

// What many worlds have met, as a table of faults and the states of the pool that they met.

#include <ostream>

#include "sim/diary.hpp"

namespace muster::sim {

void print_table(std::ostream& to, const coverage& met, std::uint64_t worlds);

// What so many worlds must meet, and have not.
std::vector<std::string> missing(const coverage& met, std::uint64_t worlds);

}  // namespace muster::sim
