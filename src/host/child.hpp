// SPDX-License-Identifier: MIT
#pragma once

// A program as the child of this worker: started, watched, reaped. It ends when the thread that has started
// it does, so at the latest with the worker. One owner; `pidfd` may be used by any thread.

#include <sys/types.h>

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"

namespace muster::host {

// What a started program's descriptors are to be; below 0: as in this process. Each may be any open
// descriptor.
struct placement {
  int from = -1;
  int to = -1;
};

struct child {
  pid_t pid = 0;
  base::file_descriptor pidfd;
};

// Starts `command` (its first word is looked for in PATH) with descriptors placed as said; all others that
// are close-on-exec are closed there. `own_group`: it leads a process group of its own. Returns when the
// program has begun; the error says why it has not, with the words of errno.
std::expected<child, std::string> start(const std::vector<std::string>& command,
                                        const std::vector<placement>& placements, bool own_group = false);

// Waits for its end, at most so long; then it is killed. Returns its wait status.
int reap(const child& who, std::chrono::milliseconds patience);

// "exited with code 3", "ended by SIGSEGV (Segmentation fault)".
std::string how_it_ended(int wait_status);

}  // namespace muster::host
