// SPDX-License-Identifier: MIT
// The board: one piece of memory that the owner of a pool writes and all its workers read. It holds the word
// that says whether the owner's loop sleeps, and the table of modules. The owner's loop thread adds modules;
// any thread of a worker reads. Workers map it read-only, so none of them can lie to another.
#pragma once

#include "ipc/layout.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace muster::ipc {

inline constexpr std::size_t module_capacity = 64;
inline constexpr std::size_t build_id_capacity = 20;
inline constexpr std::size_t module_path_capacity = 400;

// One module, as the owner sees it. Written once, before `module_count` counts it, and never again.
struct module_entry {
  std::uint32_t build_id_size = 0;  // 0: the module has no build-id, and path, inode and size identify it
  std::uint32_t path_size = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::byte build_id[build_id_capacity] = {};
  std::uint32_t reserved = 0;
  char path[module_path_capacity] = {};  // not ended by a zero

  [[nodiscard]] std::span<const std::byte> build_id_bytes() const {
    return {build_id, std::min<std::size_t>(build_id_size, build_id_capacity)};
  }
  [[nodiscard]] std::string_view path_text() const {
    return {path, std::min<std::size_t>(path_size, module_path_capacity)};
  }
};

// Makes an entry; nothing when the build-id or the path does not fit.
inline std::optional<module_entry> make_module_entry(std::span<const std::byte> build_id,
                                                     std::string_view path, std::uint64_t inode,
                                                     std::uint64_t size) {
  if (build_id.size() > build_id_capacity || path.size() > module_path_capacity) return std::nullopt;
  module_entry entry;
  entry.build_id_size = static_cast<std::uint32_t>(build_id.size());
  entry.path_size = static_cast<std::uint32_t>(path.size());
  entry.inode = inode;
  entry.size = size;
  std::copy(build_id.begin(), build_id.end(), entry.build_id);
  std::copy(path.begin(), path.end(), entry.path);
  return entry;
}

template <class Atomics>
struct basic_board {
  // Owner: odd while its loop sleeps, a new odd number for every sleep; read by workers behind a seq_cst
  // fence. It has 64 bits so that no number ever comes back to a worker that remembers the last one it rang
  // for.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> loop_asleep;
  // Owner: how many entries of `modules` are complete; release, pairs with the workers' acquire.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> module_count;
  alignas(cache_line) module_entry modules[module_capacity];
};

using board = basic_board<machine_atomics>;

static_assert(std::is_standard_layout_v<board> && std::is_trivially_copyable_v<module_entry>);
static_assert(sizeof(module_entry) == 448 && offsetof(module_entry, path) == 48);
static_assert(offsetof(board, module_count) == 64 && offsetof(board, modules) == 128);
static_assert(sizeof(board) == 128 + 448 * module_capacity);

// Owner only, one thread at a time. Returns the number of the new module, or nothing when the table is full.
inline std::optional<std::uint32_t> add_module(board& to, const module_entry& entry) {
  const std::uint32_t number = to.module_count.load(std::memory_order_relaxed);
  if (number >= module_capacity) return std::nullopt;
  to.modules[number] = entry;
  to.module_count.store(number + 1, std::memory_order_release);
  return number;
}

// The modules that are known now. Any thread of owner or worker; entries in the span never change.
inline std::span<const module_entry> modules(const board& of) {
  const std::size_t count = of.module_count.load(std::memory_order_acquire);
  return {of.modules, std::min(count, module_capacity)};
}

}  // namespace muster::ipc
