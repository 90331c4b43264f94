// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"

// What /proc knows about processes. Every answer is a snapshot: true when it was read. Any thread.

namespace muster::base {

// Threads of the calling process, the caller included.
std::expected<std::size_t, os_error> thread_count();

// Children of `pid`, zombies included. Reads /proc/<pid>/task/*/children; where the kernel does not offer
// that, or says nothing, compares the parent of every process.
std::vector<pid_t> children_of(pid_t pid);

struct process_status {
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';  // R, S, D, Z …; T: stopped by a signal, t: by a debugger
  // Processor time of all of its threads and of its children that were waited for, in clock ticks.
  std::uint64_t ticks = 0;
  unsigned long long start = 0;  // clock ticks since boot; together with the pid it names a process for good
  std::string name;              // the kernel's short name (at most 15 characters)
};

// nullopt when there is no such process.
std::optional<process_status> status_of(pid_t pid);

// The most memory that was resident at once, in bytes; 0 when there is no such process.
std::size_t peak_memory(pid_t pid);

// Resident memory that `pid` alone has written, in bytes: what it shares with the process it was forked from
// does not count. nullopt when there is no such process. That count is slow for a large process, so where a
// quick look already shows that it is at most `enough`, the answer is an upper bound of it.
std::optional<std::size_t> private_memory(pid_t pid, std::size_t enough);

// Processor time that `pid` has used, the children it has waited for, and its living descendants with theirs;
// to a clock tick (10 ms) for each. nullopt when there is no such process.
std::optional<std::chrono::nanoseconds> processor_time(pid_t pid);

// Sends SIGKILL to every process of `session`. Each is opened as a pidfd and looked at once more before the
// signal, so a number that was reused in between is spared. Returns how many were killed.
std::size_t kill_session(pid_t session);

}  // namespace muster::base
