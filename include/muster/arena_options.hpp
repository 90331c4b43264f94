// SPDX-License-Identifier: MIT
#pragma once

/// The memory that a pool lends to tasks: see buffer.hpp.

#include <cstddef>

namespace muster {

struct arena_options {
  /// Bytes of all buffers together that are leased or kept to be leased again. Each is rounded up, by at most
  /// a quarter, and takes at least 64 KiB. Nothing is taken before the first lease. Range 1 MiB..1 TiB.
  std::size_t bytes = std::size_t{256} << 20U;
  /// So many buffers at most; each takes a descriptor in the owner. Range 1..4096.
  int blocks = 64;
  /// A buffer's pages are brought into memory when it is made, and when a worker first gets it, instead of
  /// one by one as they are touched.
  bool touch = true;
};

/// What the arena of a pool has lent.
struct arena_stats {
  std::size_t bytes = 0;   ///< Of all buffers there are, as they count for arena_options::bytes.
  std::size_t leased = 0;  ///< Of these, bytes that somebody has: a caller, a task, or a worker.
  std::size_t blocks = 0;  ///< Buffers there are.
  std::size_t copied = 0;  ///< Buffers that had to be copied so that no other worker can write them.
  /// Bytes of the memory in which large arguments travel (process_options::argument_memory): in use, or kept
  /// to be used again. Not among those above.
  std::size_t arguments = 0;
};

}  // namespace muster
