// SPDX-License-Identifier: MIT
// The board: one piece of memory that the owner of a pool writes and all its workers read. It holds the word
// that says whether the owner's loop sleeps, and the table of modules. Workers map it read-only, so none of
// them can lie to another.
#pragma once

#include "ipc/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace muster::ipc {

// Room for the table of modules. What a row is, is the module room's business; a row is written once, before
// any call that needs it is handed over, and that hand-over is what makes it visible.
inline constexpr std::size_t module_rows_bytes = std::size_t{64} * 440;

template <class Atomics>
struct basic_board {
  // Owner: odd while its loop sleeps, a new odd number for every sleep; read by workers behind a seq_cst
  // fence. It has 64 bits so that no number ever comes back to a worker that remembers the last one it rang
  // for.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> loop_asleep;
  alignas(cache_line) std::byte module_rows[module_rows_bytes];
};

using board = basic_board<machine_atomics>;

static_assert(std::is_standard_layout_v<board>);
static_assert(offsetof(board, module_rows) == 64 && sizeof(board) % 64 == 0);

}  // namespace muster::ipc
