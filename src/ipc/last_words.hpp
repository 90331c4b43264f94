// SPDX-License-Identifier: MIT
#pragma once

// What a worker process can still say about where it was: the last part of the memory that it shares with its
// owner. Its handlers for signals write there (worker/last_words.cpp), with nothing but plain stores; the
// owner reads it once, when the worker is dead or about to be killed, and believes none of it without a check
// (process/trace.hpp). Calls never touch it, and its pages do not exist until somebody writes.

#include <signal.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/layout.hpp"
#include "ipc/progress_slot.hpp"
#include "ipc/vital_signs.hpp"

namespace muster::ipc {

// The signal that asks a worker where it is, before it is killed for being late. Reserved in workers.
inline int trace_signal() { return SIGRTMAX - 1; }

// Those that end a worker with a trace.
inline constexpr std::array fatal_signals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

enum class words_stage : std::uint32_t {
  none = 0,
  begun = 1,  // what was about to be written may be there in part; signal and the first frame are
  whole = 2,
};
enum class words_kind : std::uint32_t { crash = 1, hang = 2 };

inline constexpr std::uint32_t most_frames = 64;
inline constexpr std::uint32_t most_map_bytes = 60 * 1024;

struct last_words {
  // Worker: words_stage; release, pairs with the owner's acquire.
  std::atomic<std::uint32_t> stage;
  // Worker: all that follows; ordered by `stage`.
  std::uint32_t kind;
  std::int32_t signal;
  std::int32_t code;    // si_code: what the signal came from
  std::int32_t sender;  // si_pid where the code says that a process sent it, else 0
  std::uint32_t thread;
  std::uint64_t fault_address;  // si_addr of a fault
  std::uint64_t stack_pointer;
  std::uint32_t frame_count;
  std::uint32_t map_bytes;
  std::uint64_t
      frames[most_frames];    // program counters, innermost first; all but the first are return addresses
  char maps[most_map_bytes];  // the lines of /proc/self/maps that tell of code
};

static_assert(std::is_standard_layout_v<last_words> && std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(offsetof(last_words, fault_address) == 24 && offsetof(last_words, frames) == 48);

// All that both sides write.
struct reply_memory {
  reply_region rings;
  vital_signs signs;
  alignas(cache_line) progress_slot progress[most_at_once];  // one for each that runs calls
  alignas(cache_line) last_words words;
};

}  // namespace muster::ipc
