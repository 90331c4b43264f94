// SPDX-License-Identifier: MIT
#pragma once

// A command run once, as a child of this worker, with what it prints collected. Any thread; blocks.

#include <muster/context.hpp>
#include <muster/host.hpp>

#include "host/plan.hpp"

namespace muster::host {

// When the call is cancelled, SIGTERM goes to the command and what it has started; what comes after is the
// owner's matter. What the command leaves running in its process group is killed. Throws invalid_call where
// it cannot be started.
program_result run_once(context& about, const plan& what, const std::vector<std::string>& words);

// Throws worker_error where the result is a failure by the plan.
program_result checked(program_result result, const plan& what, const std::vector<std::string>& words);

}  // namespace muster::host
