// SPDX-License-Identifier: MIT
#pragma once

// The programs that we bring ourselves (workers/), as text inside the library, and how each kind of host is
// started. Constants; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "host/plan.hpp"

namespace muster::host {

extern const std::string_view node_script;    // workers/node/host.cjs
extern const std::string_view python_script;  // workers/python/host.py

// On which they speak with us.
inline constexpr int script_descriptor = 3;

// The command line of a host, with this worker's arguments.
std::vector<std::string> command_of(const plan& what);

}  // namespace muster::host
