// SPDX-License-Identifier: MIT
// Blocks in which arguments travel that are too large for a ring: filled by the submitter, shown to the
// worker that gets the call, used again when it has answered. Workers can read them and not write them, and
// a block is seen by at most one process that may still live, so no worker sees what is meant for another.
// What finds no room here travels in a file of its own (ipc/parcel.hpp). Shared by the pool and the tasks
// whose arguments lie here, so a block finds its way back whoever goes first. Any thread; its lock is taken
// last and is not held while memory is mapped.
#pragma once

#include <muster/bytes.hpp>

#include "ipc/block.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace muster::ipc {

class argument_memory final : public detail::block_source,
                              public std::enable_shared_from_this<argument_memory> {
public:
  static constexpr std::size_t most_blocks = 64;  // each takes a descriptor

  // `most`: bytes of all blocks together, lent or not.
  explicit argument_memory(std::size_t most) : most_(most) {}

  // For a call whose worker is not known yet.
  block_ref lease(std::size_t size, std::span<std::byte>& room) noexcept override;
  // For a call of this worker: null where there is none. Blocks that it has seen may be given up for another;
  // their ids are put into `forgotten`, for it is to unmap them.
  block_ref lease_for(const detail::worker_token& who, std::size_t size,
                      std::vector<std::uint64_t>& forgotten) noexcept;
  // Gives up what is not lent.
  void trim();
  // The pool is gone: what comes back is given up.
  void close();
  [[nodiscard]] std::size_t bytes() const;

private:
  using owned = std::unique_ptr<memory_block>;

  template <class MayUse>
  block_ref take_free(std::size_t size, MayUse may_use);
  template <class MayUse>
  block_ref take(std::size_t size, std::vector<std::uint64_t>* forgotten, MayUse may_use);
  [[nodiscard]] bool has_room(std::size_t wanted) const;  // with the lock
  void forget(const memory_block& block);                 // with the lock
  block_ref lend(owned block, std::size_t size) noexcept;
  void back(owned block) noexcept;

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::vector<owned> free_;  // those that came back last are at the end; guarded by mutex_, as are these
  std::size_t bytes_ = 0, blocks_ = 0;  // of all, lent or not
  bool closed_ = false;
};

}  // namespace muster::ipc
