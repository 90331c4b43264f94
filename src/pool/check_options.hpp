// SPDX-License-Identifier: MIT
#pragma once

// Checks the options of a pool and turns them into what the engine needs. All problems are reported at once.

#include <muster/options.hpp>

#include "engine/engine.hpp"

namespace muster::pool {

// Both throw invalid_options.
engine::settings check(const thread_options& options);
engine::settings check(const process_options& options);

// What recycle makes of a pool's settings; the limits that belong to the pool stay. Throws invalid_options.
void check_changes(const process_options& before, const process_options& wanted);

// Both throw invalid_options.
void check(const recycle_options& options, const std::string& pool);
void check_size(int min, int max, const engine::settings& of, const std::string& pool);

// The problems of one task's options in a pool with these settings, as one text; empty where there are none.
std::string problems_of(const task_options& options, const engine::settings& pool);
// The same for what only matters to a stream; null: the defaults.
std::string problems_of_stream(const task_options* options);

}  // namespace muster::pool
