// SPDX-License-Identifier: MIT
#pragma once

// What a worker process of a pool is born with, as the pool's options say it. A pure function.

#include "engine/plan.hpp"
#include "ipc/birth.hpp"
#include "process/worker_process.hpp"

namespace muster::process {

// Without the memory limit, whose means are found apart.
ipc::worker_birth birth_of(const worker_settings& settings, engine::worker_id id);

}  // namespace muster::process
