// SPDX-License-Identifier: MIT
//
// The options of `muster tune`. What is called, its inputs and the options of the pool are those of `muster
// run`, from the same places (run_arguments.hpp). Plain values and functions of the main thread.
#pragma once

#include <string>

#include "cli/run_arguments.hpp"

namespace muster::cli {

/// Each option once: for the command line, for --help and for completion.
void describe_tune(CLI::App& app, tune_command& tune, run_texts& given);
/// Makes `tune` whole. Returns what is wrong, empty: nothing.
std::string complete_tune(outer_options outer, const run_texts& given, run_tail tail, tune_command& tune);

}  // namespace muster::cli
