// SPDX-License-Identifier: MIT
#pragma once

// A thread's cache of memory for tasks: slabs of equal blocks, which it takes blocks from without any lock.
// Whoever else frees a block notes its address until he has a bundle of the same owner, and hands that over
// by one exchange of a list head. The owner takes them in when it would need another slab, and lets go of
// slabs that have become empty.
//
// A block that moves to another thread's cache costs more than everything else here, so blocks are not
// touched but by who uses them: a slab knows its free blocks as bits, a bundle lists its blocks in one of
// them, and the block that is next is asked for while the one before it is filled.
//
// A cache belongs to one thread at a time, and outlives it. The model check has other Atomics, smaller Sizes
// and a Store of its own: see tests/model/task_cache_model.cpp.

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace muster::queue {

struct task_sizes {
  static constexpr std::size_t slab = 64 * 1024;
  // Two cache lines for the smallest, so that neighbours do not disturb each other; 144 is a call to a
  // process, 320 are a task's extras.
  static constexpr std::array<std::size_t, 7> blocks{128, 144, 160, 192, 256, 320, 384};
  static constexpr std::size_t bundle = 14;  // blocks that go back together
};

// Begins at a multiple of its size, so that a block finds it. Used by its owner only.
template <class Owner, class Sizes>
class basic_slab {
public:
  basic_slab(Owner* made_for, std::size_t which) : owner(made_for), size_class(which) {}

  Owner* const owner;
  const std::size_t size_class;
  std::size_t used = 0;        // blocks
  basic_slab* next = nullptr;  // both: in the owner's list of those with room
  basic_slab* previous = nullptr;
  bool listed = false;

  static basic_slab& of(void* block) {
    return *reinterpret_cast<basic_slab*>(reinterpret_cast<std::uintptr_t>(block) &
                                          ~(std::uintptr_t{bytes} - 1));
  }

  // Null: it is full.
  [[nodiscard]] void* take() {
    void* const taken = first();
    if (taken == nullptr) return nullptr;
    if (words_ == 0) {
      ++fresh_;
    } else {
      const auto at = static_cast<unsigned>(std::countr_zero(words_));
      free_[at] &= free_[at] - 1;
      if (free_[at] == 0) words_ &= words_ - 1;
    }
    ++used;
    if (void* const later = first()) __builtin_prefetch(later, 1);
    return taken;
  }
  void put(void* p) {
    const auto from_here = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(p) % bytes);
    const std::uint32_t index = (from_here - begin) / static_cast<std::uint32_t>(Sizes::blocks[size_class]);
    free_[index / 64] |= std::uint64_t{1} << index % 64;
    words_ |= 1U << index / 64;
    --used;
  }

private:
  static constexpr std::size_t bytes = Sizes::slab;
  static constexpr std::uint32_t begin = 192;  // three cache lines
  static constexpr std::size_t most = bytes / Sizes::blocks[0];
  // The block that `take` would give.
  void* first() {
    std::size_t index = fresh_;
    if (words_ != 0) {
      const auto at = static_cast<unsigned>(std::countr_zero(words_));
      index = at * std::size_t{64} + static_cast<unsigned>(std::countr_zero(free_[at]));
    }
    const std::size_t offset = begin + index * Sizes::blocks[size_class];
    if (offset + Sizes::blocks[size_class] > bytes) return nullptr;
    return reinterpret_cast<std::byte*>(this) + offset;
  }

  std::uint32_t words_ = 0;                             // a bit for each of free_ that is not 0
  std::size_t fresh_ = 0;                               // from this block on none was ever used
  std::array<std::uint64_t, (most + 63) / 64> free_{};  // a bit for each block that is free again
};

template <class Atomics, class Sizes, auto& Store>
class basic_task_cache {
public:
  static constexpr std::size_t largest = Sizes::blocks.back();
  using slab = basic_slab<basic_task_cache, Sizes>;

  basic_task_cache* next_unused = nullptr;  // guarded by the lock of unused_caches

  // At most `largest` bytes. Throws std::bad_alloc.
  void* allocate(std::size_t bytes) {
    const std::size_t which = class_of(bytes);
    if (current_[which] != nullptr)
      if (void* p = current_[which]->take()) return p;
    take_in_returned();
    if (current_[which] != nullptr)
      if (void* p = current_[which]->take()) return p;
    if (slab* s = with_room_[which]) {
      unlist(*s);
      current_[which] = s;
    } else {
      void* memory = Store.take();
      if (memory == nullptr) throw std::bad_alloc();
      current_[which] = ::new (memory) slab(this, which);
    }
    return current_[which]->take();
  }

  void free(void* p) {
    slab& s = slab::of(p);
    if (s.owner == this) return put(s, p);
    if (s.owner != pending_for_) hand_back();
    pending_for_ = s.owner;
    pending_[pending_count_++] = p;
    if (pending_count_ == Sizes::bundle) hand_back();
  }
  // For a thread that has no cache.
  static void free_from_outside(void* p) { give(*slab::of(p).owner, ::new (p) bundle{nullptr, 0, {}}); }

  // What is kept to be handed back.
  void hand_back() {
    if (pending_count_ == 0) return;
    auto* const last = ::new (pending_[pending_count_ - 1]) bundle{nullptr, pending_count_ - 1, {}};
    for (std::size_t i = 0; i < last->count; ++i) last->others[i] = pending_[i];
    pending_count_ = 0;
    give(*pending_for_, last);
  }

  // What others have freed.
  void take_in_returned() {
    bundle* b = Atomics::exchange(returned_, static_cast<bundle*>(nullptr), std::memory_order_acquire);
    while (b != nullptr) {
      bundle* const next = b->next;
      if (next != nullptr) __builtin_prefetch(next);
      for (std::size_t i = 0; i < b->count; ++i) put(slab::of(b->others[i]), b->others[i]);
      put(slab::of(b), b);
      b = next;
    }
  }

private:
  // Blocks that go back to their owner together: it is written into the last of them.
  struct bundle {
    bundle* next;
    std::size_t count;
    std::array<void*, Sizes::bundle - 1> others;
  };
  static_assert(sizeof(bundle) <= Sizes::blocks[0]);

  static constexpr std::size_t line = 64, classes = Sizes::blocks.size(), grain = 16;
  static constexpr auto class_by_grains = [] {
    std::array<std::uint8_t, largest / grain + 1> found{};
    for (std::size_t grains = 0; grains < found.size(); ++grains)
      while (Sizes::blocks[found[grains]] < grains * grain) ++found[grains];
    return found;
  }();
  static std::size_t class_of(std::size_t bytes) { return class_by_grains[(bytes + grain - 1) / grain]; }

  static void give(basic_task_cache& to, bundle* blocks) {
    bundle* head = Atomics::load(to.returned_, std::memory_order_relaxed);
    do blocks->next = head;
    while (!Atomics::compare_exchange(to.returned_, head, blocks, std::memory_order_release));
  }

  // Back into its slab. An empty one is let go of, unless it is the only one with room.
  void put(slab& s, void* p) {
    s.put(p);
    if (&s == current_[s.size_class]) return;
    if (!s.listed) enlist(s);
    const bool another = s.previous != nullptr || s.next != nullptr;
    if (s.used > 0 || !another) return;
    unlist(s);
    Store.give(&s);
  }

  void enlist(slab& s) {
    s.listed = true;
    s.previous = nullptr;
    s.next = with_room_[s.size_class];
    if (s.next != nullptr) s.next->previous = &s;
    with_room_[s.size_class] = &s;
  }

  void unlist(slab& s) {
    (s.previous != nullptr ? s.previous->next : with_room_[s.size_class]) = s.next;
    if (s.next != nullptr) s.next->previous = s.previous;
    s.listed = false;
  }

  // What others freed: pushed by them (release), taken whole by the owner (acquire).
  alignas(line) typename Atomics::template atomic<bundle*> returned_{};
  // All below: the owner's.
  alignas(line) slab* current_[classes] = {};
  slab* with_room_[classes] = {};            // but for the current one
  basic_task_cache* pending_for_ = nullptr;  // whose blocks are kept to be handed back together
  std::size_t pending_count_ = 0;
  std::array<void*, Sizes::bundle> pending_{};
};

// The caches of threads that ended, for threads that begin. Any thread may call.
template <class Cache, class Mutex = std::mutex>
class unused_caches {
public:
  // Null: there is no memory.
  Cache* adopt() {
    const std::lock_guard lock(mutex_);
    if (first_ == nullptr) return new (std::nothrow) Cache;
    return std::exchange(first_, static_cast<Cache*>(first_->next_unused));
  }
  void leave(Cache& c) {
    c.hand_back();
    const std::lock_guard lock(mutex_);
    c.next_unused = std::exchange(first_, &c);
  }

private:
  Mutex mutex_;
  Cache* first_ = nullptr;  // guarded by mutex_
};

}  // namespace muster::queue
