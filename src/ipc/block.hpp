// SPDX-License-Identifier: MIT
// How memory that is lent to tasks is made, sealed, mapped and checked: the blocks of
// docs/internals/arena.md. No state but the last id; any thread. What comes from a worker is believed only
// after the checks here.
#pragma once

#include <muster/bytes.hpp>
#include <muster/detail/memory_block.hpp>

#include "ipc/region.hpp"

#include <cstddef>
#include <expected>
#include <memory>
#include <span>

namespace muster::ipc {

using detail::block_ref;
using detail::memory_block;

// What one block may have at most to come from another process; as much as any payload.
inline constexpr std::size_t largest_foreign_block = std::size_t{1} << 30U;

// Bytes that a block takes for so many that are asked for: four classes to each doubling, from 64 KiB.
// `asked` is at most 2^62.
[[nodiscard]] std::size_t class_of(std::size_t asked) noexcept;

// Never given before in this process.
[[nodiscard]] std::uint64_t new_block_id();

// Fresh memory of at least `room` bytes, which can neither shrink nor grow; `touch`: with all of its pages.
std::expected<std::unique_ptr<memory_block>, system_failure> make_block(std::size_t room, bool touch);

// In a worker: what its owner sent. `room` bytes of the file can be named, `size` are mapped.
std::expected<block_ref, system_failure> map_lent(int descriptor, std::size_t size, std::size_t room,
                                                  bool writable, bool touch);

// A file that came with a result. Fails for anything but memory of `room` bytes, as make_block makes it, and
// for more than largest_foreign_block.
std::expected<block_ref, system_failure> map_foreign(unique_fd file, std::size_t room, bool writable);

// A memory file of this size that nobody can write or cut short, as it is.
std::expected<block_ref, system_failure> map_sealed(unique_fd file, std::size_t size);

// Before a process is shown it: nobody can seal it any further.
std::expected<void, system_failure> prepare_to_show(memory_block& block);

// From now on only its owner can write it. Only for a block that was not shown.
std::expected<void, system_failure> seal(memory_block& block);

// From now on only its owner can write it, and one process may see it at a time. Only for a fresh one.
std::expected<void, system_failure> seal_for_arguments(memory_block& block);

// Another block with the same bytes, sealed where the original is; of no arena.
std::expected<block_ref, system_failure> copy_of(const memory_block& block);

// For a call of this crew: a block that somebody else still holds, that came from a worker, or that another
// worker can write than the one which can write the others, is replaced by a copy. How many were.
std::expected<std::size_t, system_failure> make_own(std::span<block_ref> blocks, const void* crew);

// The process that alone may have these, because it can write some of them; null: any may.
[[nodiscard]] std::shared_ptr<const detail::worker_token> bound_to(std::span<const block_ref> blocks);

}  // namespace muster::ipc
