// SPDX-License-Identifier: MIT
// The memory that one pool lends to tasks: blocks of a few size classes, made when they are first wanted,
// used again, within limits. All bookkeeping is the owner's private memory. Shared by the pool and by
// everything it has lent, so a block finds its way back whoever goes first. Any thread; its lock is taken
// last and is not held while memory is mapped.
#pragma once

#include <muster/arena_options.hpp>
#include <muster/queue_options.hpp>

#include "ipc/argument_memory.hpp"
#include "ipc/block.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace muster::ipc {

class arena : public std::enable_shared_from_this<arena> {
public:
  // `name`: of the pool, for errors. `for_arguments`: bytes of the memory in which large ones travel.
  arena(const arena_options& limits, std::string name, std::size_t for_arguments = 0)
      : limits_(limits),
        name_(std::move(name)),
        arguments_(std::make_shared<argument_memory>(for_arguments)) {}

  // Throws arena_full, std::system_error.
  [[nodiscard]] block_ref lease(std::size_t room, duration patience);
  // Gives up what is not lent.
  void trim();
  // The pool is gone: what comes back is given up.
  void close();
  void note_copied(std::size_t blocks) { copied_.fetch_add(blocks, std::memory_order_relaxed); }
  [[nodiscard]] arena_stats stats() const;
  [[nodiscard]] bool touches() const { return limits_.touch; }
  [[nodiscard]] const std::shared_ptr<argument_memory>& arguments() const { return arguments_; }

private:
  using owned = std::unique_ptr<memory_block>;

  // With the lock. Null: there is none of this class; or with `ready` none whose worker would take a call
  // now.
  owned take_free(std::size_t size, bool ready);
  bool has_room(std::size_t size) const;  // with the lock
  // With the lock: whether a block of this size may be made, after others that are free were put into `gone`.
  bool make_room(std::size_t size, std::vector<owned>& gone);
  owned make(std::size_t size);  // not with it, for which there is room
  void back(owned block);
  void forget(const memory_block& block);                                          // with the lock
  [[nodiscard]] std::string too_little(std::size_t room, std::size_t size) const;  // with the lock
  block_ref lend(owned block, std::size_t room);

  const arena_options limits_;
  const std::string name_;
  const std::shared_ptr<argument_memory> arguments_;
  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<owned> free_;   // those that came back last are at the end; guarded by mutex_, as are these
  std::vector<bool> places_;  // taken or not
  std::size_t bytes_ = 0, leased_ = 0;  // of all blocks; of those that are lent
  std::size_t blocks_ = 0;
  bool closed_ = false;
  std::atomic<std::size_t> copied_{0};  // relaxed: a count
};

}  // namespace muster::ipc
