// SPDX-License-Identifier: MIT
// The door through which the rings touch shared memory: to the atomic words of base it adds the futex, and
// memory that an atomic word guards. Every ring is a template over a policy like this one.
#pragma once

#include "base/atomics.hpp"
#include "base/futex.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace muster::ipc {

struct machine_atomics : base::machine_atomics {
  // Orders a store before a later load of another word, which is all that the bells need of it.
  static void fence_seq_cst() {
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
    // ThreadSanitizer does not see what a fence orders, and GCC warns about that. No data here depends on a
    // fence.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#pragma GCC diagnostic pop
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }

  // Returns false when the timeout has passed; may return true for no reason.
  static bool wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                   std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
    return base::futex_wait(word, expected, timeout);
  }
  static void wake(const atomic<std::uint32_t>& word) { base::futex_wake(word); }

  // A word whose accesses are ordered by another word: between partners that keep the protocol no two of them
  // ever meet. It is atomic all the same, because a stranger on the other side need not keep it, and a
  // relaxed load is the way to say "read exactly once".
  template <class T>
  class cell {
  public:
    [[nodiscard]] T get() const { return value_.load(std::memory_order_relaxed); }
    void set(T value) { value_.store(value, std::memory_order_relaxed); }

  private:
    std::atomic<T> value_;
  };

  // Raw bytes, ordered by another word in the same way. The caller has checked offset and size.
  template <std::size_t Size>
  class bytes {
  public:
    void write(std::size_t offset, std::span<const std::byte> from) {
      if (!from.empty()) std::memcpy(data_ + offset, from.data(), from.size());
    }
    void read(std::size_t offset, std::span<std::byte> to) const {
      if (to.empty()) return;
      std::memcpy(to.data(), data_ + offset, to.size());
      // Without this the compiler might look into the source again later, where it means the copy.
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    [[nodiscard]] const std::byte* at(std::size_t offset) const { return data_ + offset; }

  private:
    std::byte data_[Size];
  };
};

static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(std::atomic<std::uint64_t>) == 8);

}  // namespace muster::ipc
