// SPDX-License-Identifier: MIT
#pragma once

// Holds the values of options against their ranges. What two options, or an option and the machine, have to
// do with each other is asked by the rules in pool/check_options.cpp.

#include <muster/options.hpp>

#include "options/problems.hpp"

namespace muster::options {

void check_ranges(problems& bad, const thread_options& options);
void check_ranges(problems& bad, const process_options& options);
void check_ranges(problems& bad, const task_options& options);
void check_ranges(problems& bad, const recycle_options& options);
// A part of a pool's, as options of this name.
void check_ranges(problems& bad, std::string_view name, const limit_options& options);
void check_ranges(problems& bad, std::string_view name, const worker_options& options);

// In the order of declaration.
void sort_as_thread_options(problems& bad);
void sort_as_process_options(problems& bad);
void sort_as_task_options(problems& bad);

}  // namespace muster::options
