// SPDX-License-Identifier: MIT
//
// How one process tells another which shared object it means: the row of a table that the owner writes into
// the board and its workers read. A row is written once, before any call that names its index is handed over,
// and never changed; the hand-over of that call (a release store that the worker acquires) is what makes the
// row visible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace muster::module {

/// Rows in the table, and so the number of modules whose functions one pool can call.
inline constexpr std::size_t max_modules = 64;

inline constexpr std::size_t build_id_capacity = 20;
inline constexpr std::size_t module_path_capacity = 400;

struct module_identity {
  std::uint32_t build_id_length;             // 0: none, then path, inode and size identify the module
  std::uint8_t build_id[build_id_capacity];  // the GNU build-id, cut at the capacity
  std::uint64_t inode;                       // of the file that is mapped; 0 when not known
  std::uint64_t size;                        // of that file in bytes; 0 when not known
  char path[module_path_capacity];           // absolute, ends with a zero; empty for the program itself
};

static_assert(std::is_trivially_copyable_v<module_identity> && sizeof(module_identity) == 440);

}  // namespace muster::module
