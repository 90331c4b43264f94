// SPDX-License-Identifier: MIT
#pragma once

// What many worlds together must have met: a simulation that never gets there proves nothing about it.

#include <cstdint>
#include <string>
#include <vector>

namespace muster::sim {

// The states of a pool in which a fault can meet it.
inline constexpr const char* pool_states[] = {"serving", "degraded", "recycling", "stopping"};

// By so many: a few hundred meet each fault, some thousands each fault in each state.
std::vector<std::string> must_meet(std::uint64_t worlds);

}  // namespace muster::sim
