// SPDX-License-Identifier: MIT
#pragma once

// For code of ours that runs among the tasks (host/): the worker is about to end for a reason that its status
// alone does not tell. Any thread.

#include <string_view>

namespace muster::worker {

// Called once, before any code of the user's.
void prepare_endings(int socket);

// The owner puts `why` into the death. The caller then ends the process.
void tell_ending(std::string_view why);

// The owner takes it for what it is: a worker that broke its protocol. The caller then ends the process by
// SIGKILL.
void tell_broken(std::string_view what);

}  // namespace muster::worker
