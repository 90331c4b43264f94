// SPDX-License-Identifier: MIT
// Where tasks live. One thread submits, another one finishes: the worst case of a general allocator, so each
// thread has slabs of its own. It takes blocks from them without any lock; whoever else frees a block notes
// its address until he has a bundle of the same owner, and hands that over by one exchange of a list head.
// The owner takes them in when it would need another slab, and lets go of slabs that have become empty.
//
// A block that moves to another thread's cache costs more than everything else here, so blocks are not
// touched but by who uses them: a slab knows its free blocks as bits, a bundle lists its blocks in one of
// them, and the block that is next is asked for while the one before it is filled.
//
// Slabs are cut from large mappings, without gaps. Some that were let go of stay for later; the others go
// back to the system, a mapping at a time.
//
// A thread's cache outlives it: the next thread that starts takes it over, with whatever still comes back.
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include <muster/task.hpp>

#include "base/sanitizer.hpp"

namespace muster::detail {
namespace {

constexpr std::size_t line = 64, slab_bytes = 64 * 1024;
// Two cache lines for the smallest, so that neighbours do not disturb each other; 144 is a call to a process,
// 640 are a task's extras.
constexpr std::array<std::size_t, 8> sizes{128, 144, 160, 192, 256, 320, 384, 640};
constexpr std::size_t classes = sizes.size(), largest = sizes.back(), grain = 16;
constexpr auto class_by_grains = [] {
  std::array<std::uint8_t, largest / grain + 1> found{};
  for (std::size_t grains = 0; grains < found.size(); ++grains)
    while (sizes[found[grains]] < grains * grain) ++found[grains];
  return found;
}();
constexpr std::size_t class_of(std::size_t bytes) { return class_by_grains[(bytes + grain - 1) / grain]; }

struct cache;

// Begins at a multiple of slab_bytes, so that a block finds it. Used by its owner only.
class slab {
public:
  slab(cache* of, std::size_t which) : owner(of), size_class(which) {}

  cache* const owner;
  const std::size_t size_class;
  std::size_t used = 0;  // blocks
  slab* next = nullptr;  // both: in the owner's list of those with room
  slab* previous = nullptr;
  bool listed = false;

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
    const auto from_here = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(p) % slab_bytes);
    const std::uint32_t index = (from_here - begin) / static_cast<std::uint32_t>(sizes[size_class]);
    free_[index / 64] |= std::uint64_t{1} << index % 64;
    words_ |= 1U << index / 64;
    --used;
  }

private:
  static constexpr std::uint32_t begin = 3 * line;
  // The block that `take` would give.
  void* first() {
    std::size_t index = fresh_;
    if (words_ != 0) {
      const auto at = static_cast<unsigned>(std::countr_zero(words_));
      index = at * std::size_t{64} + static_cast<unsigned>(std::countr_zero(free_[at]));
    }
    const std::size_t offset = begin + index * sizes[size_class];
    if (offset + sizes[size_class] > slab_bytes) return nullptr;
    return reinterpret_cast<std::byte*>(this) + offset;
  }

  std::uint32_t words_ = 0;                                       // a bit for each of free_ that is not 0
  std::size_t fresh_ = 0;                                         // from this block on none was ever used
  std::array<std::uint64_t, slab_bytes / sizes[0] / 64> free_{};  // a bit for each block that is free again
};

// Where slabs come from: large mappings, each a table of which of its slabs are free. A mapping goes back to
// the system as a whole, because every time that memory is taken back all processors are told so, which costs
// more than to fill hundreds of slabs. Any thread may call.
class slab_store {
public:
  // Null: there is no memory.
  void* take() {
    const std::lock_guard lock(mutex_);
    if (with_room_ == nullptr && !map()) return nullptr;
    mapping& m = *with_room_;
    const auto index = static_cast<unsigned>(std::countr_zero(m.free));
    const std::uint64_t bit = std::uint64_t{1} << index;
    m.free &= ~bit;
    if (m.free == 0) unlist(m);
    std::byte* const slab = reinterpret_cast<std::byte*>(&m) + index * slab_bytes;
    if ((m.filled & bit) != 0) {
      --kept_;
    } else {
      m.filled |= bit;
#ifdef MADV_POPULATE_WRITE  // all its pages at once: a fraction of what a fault for each costs
      ::madvise(slab, slab_bytes, MADV_POPULATE_WRITE);
#endif
    }
    return slab;
  }

  void give(void* slab) {
    const auto address = reinterpret_cast<std::uintptr_t>(slab);
    auto& m = *reinterpret_cast<mapping*>(address & ~(std::uintptr_t{mapping_bytes} - 1));
    {
      const std::lock_guard lock(mutex_);
      if (m.free == 0) list(m);
      m.free |= std::uint64_t{1} << address % mapping_bytes / slab_bytes;
      const auto its = static_cast<std::size_t>(std::popcount(m.filled));
      if (++kept_ < most_kept + its || m.free != all) return;
      unlist(m);
      kept_ -= its;
    }
    if (m.from_heap) return std::free(&m);  // NOLINT(cppcoreguidelines-no-malloc): see map
    if (::munmap(&m, mapping_bytes) == 0) return;
    const std::lock_guard lock(mutex_);  // the system cannot take it back: there are too many mappings
    list(m);
    kept_ += static_cast<std::size_t>(std::popcount(m.filled));
  }

private:
  // In the place of its first slab.
  struct mapping {
    std::uint64_t free, filled;  // a bit for each slab: nobody has it; it has its pages
    bool from_heap;
    mapping *next, *previous;  // in the list of those with a free slab
  };
  static constexpr std::size_t mapping_bytes = 64 * slab_bytes;  // 4 MiB; begins at a multiple of it
  static constexpr std::uint64_t all = ~std::uint64_t{1};
  static constexpr std::size_t most_kept = 256;  // slabs: 16 MiB

  bool map() {
    bool from_heap = false;
    void* memory = nullptr;
    void* const got = ::mmap(nullptr, 2 * mapping_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got != MAP_FAILED) {
      auto* const begin = static_cast<std::byte*>(got);
      const std::size_t before = mapping_bytes - reinterpret_cast<std::uintptr_t>(got) % mapping_bytes;
      memory = begin + before;
      ::munmap(begin, before);
      if (before < mapping_bytes) ::munmap(begin + before + mapping_bytes, mapping_bytes - before);
    } else {  // the general allocator may have other ways, and memory that it has kept
      memory = std::aligned_alloc(mapping_bytes, mapping_bytes);
      if (memory == nullptr) return false;
      from_heap = true;
    }
    list(*::new (memory) mapping{all, 0, from_heap, nullptr, nullptr});
    return true;
  }

  void list(mapping& m) {
    m.previous = nullptr;
    m.next = std::exchange(with_room_, &m);
    if (m.next != nullptr) m.next->previous = &m;
  }
  void unlist(mapping& m) {
    (m.previous != nullptr ? m.previous->next : with_room_) = m.next;
    if (m.next != nullptr) m.next->previous = m.previous;
  }

  std::mutex mutex_;
  // All below, and what is in mappings: guarded by mutex_.
  mapping* with_room_ = nullptr;
  std::size_t kept_ = 0;  // slabs that are free and have their pages
};
constinit slab_store store;

slab* slab_of(void* p) {
  return reinterpret_cast<slab*>(reinterpret_cast<std::uintptr_t>(p) & ~(std::uintptr_t{slab_bytes} - 1));
}

// Blocks that go back to their owner together: it is written into the last of them.
struct bundle {
  static constexpr std::size_t most = 14;
  bundle* next;
  std::size_t count;
  std::array<void*, most - 1> others;
};
static_assert(sizeof(bundle) <= sizes[0]);

struct cache {
  // What others freed: pushed by them (release), taken whole by the owner (acquire).
  alignas(line) std::atomic<bundle*> returned{nullptr};
  // All below: the owner's.
  alignas(line) slab* current[classes] = {};
  slab* with_room[classes] = {};  // but for the current one
  cache* pending_for = nullptr;   // whose blocks are kept to be handed back together
  std::size_t pending_count = 0;
  std::array<void*, bundle::most> pending{};
  cache* next_unused = nullptr;

  void* allocate(std::size_t which) {
    if (current[which] != nullptr)
      if (void* p = current[which]->take()) return p;
    take_in_returned();
    if (current[which] != nullptr)
      if (void* p = current[which]->take()) return p;
    if (slab* s = with_room[which]) {
      unlist(*s);
      current[which] = s;
    } else {
      void* memory = store.take();
      if (memory == nullptr) throw std::bad_alloc();
      current[which] = ::new (memory) slab(this, which);
    }
    return current[which]->take();
  }

  void free(void* p) {
    slab* s = slab_of(p);
    if (s->owner == this) return put(*s, p);
    if (s->owner != pending_for) hand_back();
    pending_for = s->owner;
    pending[pending_count++] = p;
    if (pending_count == bundle::most) hand_back();
  }

  void hand_back() {
    if (pending_count == 0) return;
    auto* const last = ::new (pending[pending_count - 1]) bundle{nullptr, pending_count - 1, {}};
    for (std::size_t i = 0; i < last->count; ++i) last->others[i] = pending[i];
    pending_count = 0;
    give(*pending_for, last);
  }

  static void give(cache& to, bundle* blocks) {
    bundle* head = to.returned.load(std::memory_order_relaxed);
    do blocks->next = head;
    while (!to.returned.compare_exchange_weak(head, blocks, std::memory_order_release,
                                              std::memory_order_relaxed));
  }

private:
  void take_in_returned() {
    for (bundle* b = returned.exchange(nullptr, std::memory_order_acquire); b != nullptr;) {
      bundle* const next = b->next;
      if (next != nullptr) __builtin_prefetch(next);
      for (std::size_t i = 0; i < b->count; ++i) put(*slab_of(b->others[i]), b->others[i]);
      put(*slab_of(b), b);
      b = next;
    }
  }

  // Back into its slab. An empty one is let go of, unless it is the only one with room.
  void put(slab& s, void* p) {
    s.put(p);
    if (&s == current[s.size_class]) return;
    if (!s.listed) enlist(s);
    const bool another = s.previous != nullptr || s.next != nullptr;
    if (s.used > 0 || !another) return;
    unlist(s);
    store.give(&s);
  }

  void enlist(slab& s) {
    s.listed = true;
    s.previous = nullptr;
    s.next = with_room[s.size_class];
    if (s.next != nullptr) s.next->previous = &s;
    with_room[s.size_class] = &s;
  }

  void unlist(slab& s) {
    (s.previous != nullptr ? s.previous->next : with_room[s.size_class]) = s.next;
    if (s.next != nullptr) s.next->previous = s.previous;
    s.listed = false;
  }
};

std::mutex unused_mutex;
cache* unused = nullptr;  // of threads that ended; guarded by unused_mutex

// Null: there is no memory.
cache* adopt() {
  const std::lock_guard lock(unused_mutex);
  if (unused == nullptr) return new (std::nothrow) cache;
  return std::exchange(unused, unused->next_unused);
}
void leave(cache* c) {
  c->hand_back();
  const std::lock_guard lock(unused_mutex);
  c->next_unused = std::exchange(unused, c);
}

thread_local cache* mine = nullptr;
thread_local bool thread_ends = false;
struct end_of_thread {
  ~end_of_thread() {
    thread_ends = true;
    if (mine != nullptr) leave(std::exchange(mine, nullptr));
  }
};

void adopt_for_this_thread() {
  static thread_local end_of_thread at_end;
  (void)at_end;
  mine = adopt();
}

}  // namespace

void* allocate_task(std::size_t bytes) {
  if (bytes > largest || base::is_sanitized) return ::operator new(bytes);
  if (mine == nullptr && !thread_ends) adopt_for_this_thread();
  if (mine != nullptr) return mine->allocate(class_of(bytes));
  cache* lent = adopt();  // a task made by a destructor of this thread
  if (lent == nullptr) throw std::bad_alloc();
  void* p = lent->allocate(class_of(bytes));
  leave(lent);
  return p;
}

void free_task(void* p, std::size_t bytes) noexcept {
  if (bytes > largest || base::is_sanitized) return ::operator delete(p, bytes);
  if (mine == nullptr && !thread_ends) adopt_for_this_thread();
  if (mine != nullptr) return mine->free(p);
  cache::give(*slab_of(p)->owner, ::new (p) bundle{nullptr, 0, {}});
}

}  // namespace muster::detail
