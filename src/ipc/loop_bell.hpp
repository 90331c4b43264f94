// SPDX-License-Identifier: MIT
// The bell between workers and the owner's loop, which sleeps in epoll and not on a futex. The waiter belongs
// to the loop thread of the owner; each worker process has one ringer, called by whoever publishes its
// replies. Both keep their memory private and share only the word `loop_asleep` on the board, which the owner
// alone can write.
#pragma once

#include "ipc/board.hpp"

#include <cstdint>

namespace muster::ipc {

// The order of steps in the loop, each time round:
//
//     take all replies; empty the event descriptors that rang     (awake)
//     before_sleep(); look once more at every reply ring          (a worker that publishes from now on will
//     ring) if nothing was found: epoll_wait after_sleep()
//
// An event descriptor is emptied only while awake. Emptied between before_sleep and epoll_wait, it could
// swallow the one ring of this sleep.
template <class Atomics>
class basic_loop_bell_waiter {
public:
  explicit basic_loop_bell_waiter(basic_board<Atomics>& on) : board_(on) {}

  void before_sleep() {
    epoch_ |= 1;
    Atomics::store(board_.loop_asleep, epoch_, std::memory_order_relaxed);
    // Pairs with the fence in should_ring: either the look that follows finds the reply, or the worker finds
    // this.
    Atomics::fence_seq_cst();
  }

  void after_sleep() {
    epoch_ = (epoch_ | 1) + 1;
    Atomics::store(board_.loop_asleep, epoch_, std::memory_order_relaxed);
  }

private:
  basic_board<Atomics>& board_;
  std::uint64_t epoch_ = 0;
};

template <class Atomics>
class basic_loop_bell_ringer {
public:
  explicit basic_loop_bell_ringer(const basic_board<Atomics>& on) : board_(on) {}

  // After one or more replies were published: true when the loop sleeps and this worker has not yet rung for
  // this sleep. The caller then writes its event descriptor.
  [[nodiscard]] bool should_ring() {
    Atomics::fence_seq_cst();
    return should_ring_behind_fence();
  }
  // The same where there was a seq_cst fence since.
  [[nodiscard]] bool should_ring_behind_fence() {
    const std::uint64_t epoch = Atomics::load(board_.loop_asleep, std::memory_order_relaxed);
    if (epoch % 2 == 0 || epoch == last_) return false;
    last_ = epoch;
    return true;
  }

private:
  const basic_board<Atomics>& board_;
  std::uint64_t last_ = 0;
};

using loop_bell_waiter = basic_loop_bell_waiter<machine_atomics>;
using loop_bell_ringer = basic_loop_bell_ringer<machine_atomics>;

}  // namespace muster::ipc
