// SPDX-License-Identifier: MIT
#pragma once

// What many worlds together must have met: a simulation that never gets there proves nothing about it.

#include <span>

namespace muster::sim {

std::span<const char* const> must_meet();

}  // namespace muster::sim
