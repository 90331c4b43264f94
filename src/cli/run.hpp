// SPDX-License-Identifier: MIT
//
// The commands. Each makes its own pool, works on the calling thread, which must be the main one, and
// returns the exit code.
#pragma once

#include "cli/arguments.hpp"

namespace muster::cli {

int run(const run_command& asked);
int tune(const tune_command& asked);
int list(const list_command& asked);
int doctor(const doctor_command& asked);
int options(const options_command& asked);
int config(const config_command& asked);
int completion(const completion_command& asked);

}  // namespace muster::cli
