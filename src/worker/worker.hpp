// SPDX-License-Identifier: MIT
#pragma once

// What a worker process does with its life: init, then one call after the other until it is told to stop.
// Runs in the process that the zygote forked, on its main thread. It never sees the engine.

#include "ipc/birth.hpp"

namespace muster::worker {

// Returns the exit code of the process.
int run(ipc::worker_channels channels);

}  // namespace muster::worker
