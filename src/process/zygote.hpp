// SPDX-License-Identifier: MIT
#pragma once

#include <expected>

#include "base/os_error.hpp"
#include "ipc/birth.hpp"

// How a program gets its zygote: the small single-threaded process that forks workers and outlives its owner
// to clean up after it (docs/internals/zygote.md). One per process, made by init; pools reach it through a
// zygote_link.

namespace muster::process {

// What the zygote calls in a process it has just forked. Functions because the rooms may not know each other.
struct hooks {
  // Does what is the same for every worker, before it is told which one it is (worker::stand_by).
  std::expected<void, ipc::failed_step> (*stand_by)(ipc::worker_inheritance&);
  // Makes the process that worker (worker::set_up).
  std::expected<ipc::worker_channels, ipc::failed_step> (*set_up)(ipc::worker_birth,
                                                                  ipc::worker_inheritance&);
  // Runs the worker; its result is the exit code.
  int (*main)(ipc::worker_channels);
};

enum class role {
  owner,   // an ordinary program: go on with main
  worker,  // code inside a worker has called init again: there is nothing to do and no pool can be made here
};

// All that muster::init does about processes; call it in main, before the first thread. In a program that was
// run to be a zygote it becomes one and never returns. Otherwise it remembers the hooks and, while this
// process has one thread, forks the zygote; with more threads the zygote is made by the first pool that needs
// it. A second call does nothing. Blocks for about a millisecond.
std::expected<role, base::os_error> initialise(const hooks& functions);

// Makes the process-wide zygote unless there is a living one. Any thread.
std::expected<void, base::os_error> start_zygote();

// The first step of initialise: becomes the zygote, and never returns, if this program was run for that.
void zygote_main_if_asked(const hooks& functions);

// True in a worker process.
bool is_worker();

// True when initialise was called in this process or in the one it was forked from.
bool is_initialised();

}  // namespace muster::process
