// SPDX-License-Identifier: MIT
#pragma once

/// A piece of memory that another process can be shown: what a muster::buffer holds. docs/internals/arena.md
/// has the rules. Constant after it was made, but for `room`, which an arena sets when it leases the block,
/// and for what says who has seen it, which is written by whoever holds the block alone: its buffer, or the
/// crew that hands over the call which has it, under its lock.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <muster/handle.hpp>

namespace muster::detail {

/// Stands for a worker process as long as that may live.
struct worker_token {
  const void* crew = nullptr;        // of which it is
  std::atomic<bool> is_free{false};  // relaxed, a hint: it would begin a call at once
};

struct memory_block {
  memory_block() = default;
  memory_block(const memory_block&) = delete;
  memory_block& operator=(const memory_block&) = delete;
  ~memory_block();  // unmaps

  std::byte* address = nullptr;
  std::size_t size = 0;  // bytes that are mapped
  std::size_t room = 0;  // bytes that may be named: what was asked for
  unique_fd file{};      // none in a worker that was lent the block
  /// The same there, where its host is to be shown the block.
  unique_fd for_host{};
  std::uint64_t id = 0;  // of an owner's; no other one ever has it
  /// The arena it belongs to, and its place there, by which workers of that arena's pool keep it mapped.
  const void* home = nullptr;
  std::uint32_t place = 0;

  bool sealed = false;  // the kernel lets nobody but its owner write it
  bool shown = false;   // to some process, once: it cannot be sealed any more
  /// It came from a worker, which nobody can take it away from again.
  bool foreign = false;
  /// Of one that is not sealed, or is for arguments (argument_memory.hpp): the one process that has seen it;
  /// expired: none that lives.
  std::weak_ptr<const worker_token> seen_by{};
};

/// Reads bytes that somebody may change meanwhile, each once.
void copy_once(std::byte* to, std::span<const std::byte> from) noexcept;

}  // namespace muster::detail
