// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <expected>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"

// A process as a descriptor: unlike a number it can never come to mean another process. Any thread.

namespace muster::base {

// The caller must know that `pid` is still the process it means: its own, or a child that it alone reaps.
std::expected<file_descriptor, os_error> open_pidfd(pid_t pid);

// ESRCH when the process is dead and reaped. A zombie accepts any signal and ignores it.
std::expected<void, os_error> send_signal(int pidfd, int signal);

// True once the process has ended, reaped or not. Does not block.
bool is_dead(int pidfd);

// Waits until the process has ended; false when `timeout` has passed first.
bool wait_until_dead(int pidfd, std::chrono::milliseconds timeout);

}  // namespace muster::base
