// SPDX-License-Identifier: MIT
//
// A command as a task of a pool of commands. Runs in a worker.
#pragma once

#include <string>
#include <vector>

#include <muster/context.hpp>
#include <muster/host.hpp>

namespace muster::cli {

/// Runs the worker's command with these inputs. Another exit code than 0 is a result, with what was printed,
/// but before the last of `attempts` an exception, so that the pool tries again.
program_result run_command_once(context& about, int attempts, const std::vector<std::string>& inputs);

}  // namespace muster::cli
