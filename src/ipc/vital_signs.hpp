// SPDX-License-Identifier: MIT
#pragma once

// What a worker says about itself by plain stores: words in the memory that it shares with its owner. The
// owner reads them when it looks at the worker's health, each once, and takes every value for possible: a lie
// costs nobody but this worker.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/layout.hpp"

namespace muster::ipc {

struct vital_signs {
  // Worker: the number of the last ping that it answered; release, after the health check that belongs to it.
  std::atomic<std::uint32_t> pong;
  // Worker, any thread: another value whenever the task says that it is still at it; relaxed.
  alignas(cache_line) std::atomic<std::uint64_t> heartbeat;
  // Worker, any thread: the bytes that it uses by its own count, plus 1; 0: it does not say. Relaxed.
  std::atomic<std::uint64_t> memory;
};

static_assert(std::is_standard_layout_v<vital_signs> && sizeof(vital_signs) == 2 * cache_line);
static_assert(offsetof(vital_signs, heartbeat) == 64 && offsetof(vital_signs, memory) == 72);

}  // namespace muster::ipc
