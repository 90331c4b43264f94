// SPDX-License-Identifier: MIT
//
// What worker processes and all that they started take of the machine, as /proc tells it. Plain functions;
// each call looks anew.
#pragma once

#include <cstddef>
#include <span>

namespace muster::cli {

/// Seconds of CPU time of these workers and their descendants so far, also of those that have ended and were
/// waited for. Counts what their parent, which starts and buries them, has on its account, so that only
/// differences mean something.
double cpu_seconds(std::span<const int> workers);

/// Bytes of memory of these workers and their descendants now. What several of them share counts once.
std::size_t memory_bytes(std::span<const int> workers);

/// Seconds for which CPUs of this machine were busy so far, with whatever it was; 0 where nobody says.
double machine_cpu_seconds();

/// Of this machine: bytes; 0 where nobody says.
std::size_t machine_memory();

}  // namespace muster::cli
