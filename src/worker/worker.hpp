// SPDX-License-Identifier: MIT
#pragma once

// What a worker process does with its life: init, then one call after the other until it is told to stop.
// Runs in the process that the zygote forked, on its main thread. It never sees the engine.

#include <muster/call.hpp>

#include "ipc/birth.hpp"

namespace muster::worker {

// Returns the exit code of the process.
int run(ipc::worker_channels channels);
// The same in a program that has none of its owner's functions (handover.hpp): one thunk for every call.
int run(ipc::worker_channels channels, detail::thunk_function every_call);

}  // namespace muster::worker
