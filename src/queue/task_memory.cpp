// SPDX-License-Identifier: MIT
// Where tasks live. One thread submits, another one finishes: the worst case of a general allocator, so each
// thread has a cache of its own (queue/task_cache.hpp).
//
// Slabs are cut from large mappings, without gaps. Some that were let go of stay for later; the others go
// back to the system, a mapping at a time.
//
// A thread's cache outlives it: the next thread that starts takes it over, with whatever still comes back.
#include "queue/task_cache.hpp"

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include <muster/task.hpp>

#include "base/atomics.hpp"
#include "base/sanitizer.hpp"

namespace muster::detail {
namespace {

constexpr std::size_t slab_bytes = queue::task_sizes::slab;

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
      --mappings_;
    }
    if (m.from_heap) return std::free(&m);  // NOLINT(cppcoreguidelines-no-malloc): see map
    if (::munmap(&m, mapping_bytes) == 0) return;
    const std::lock_guard lock(mutex_);  // the system cannot take it back: there are too many mappings
    list(m);
    kept_ += static_cast<std::size_t>(std::popcount(m.filled));
    ++mappings_;
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
  static constexpr std::size_t few = 8;          // mappings: 32 MiB

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
#ifdef MADV_HUGEPAGE  // with so many tasks, a fault for two megabytes instead of one for each page
    if (mappings_ >= few && !from_heap) ::madvise(memory, mapping_bytes, MADV_HUGEPAGE);
#endif
    list(*::new (memory) mapping{all, 0, from_heap, nullptr, nullptr});
    ++mappings_;
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
  std::size_t mappings_ = 0;
};
constinit slab_store store;

using cache = queue::basic_task_cache<base::machine_atomics, queue::task_sizes, store>;
constinit queue::unused_caches<cache> unused;

thread_local cache* mine = nullptr;
thread_local bool thread_ends = false;
struct end_of_thread {
  ~end_of_thread() {
    thread_ends = true;
    if (mine != nullptr) unused.leave(*std::exchange(mine, nullptr));
  }
};

void adopt_for_this_thread() {
  static thread_local end_of_thread at_end;
  (void)at_end;
  mine = unused.adopt();
}

}  // namespace

void* allocate_task(std::size_t bytes) {
  if (bytes > cache::largest || base::is_sanitized) return ::operator new(bytes);
  if (mine == nullptr && !thread_ends) adopt_for_this_thread();
  if (mine != nullptr) return mine->allocate(bytes);
  cache* lent = unused.adopt();  // a task made by a destructor of this thread
  if (lent == nullptr) throw std::bad_alloc();
  void* p = lent->allocate(bytes);
  unused.leave(*lent);
  return p;
}

void free_task(void* p, std::size_t bytes) noexcept {
  if (bytes > cache::largest || base::is_sanitized) return ::operator delete(p, bytes);
  if (mine == nullptr && !thread_ends) adopt_for_this_thread();
  if (mine != nullptr) return mine->free(p);
  cache::free_from_outside(p);
}

}  // namespace muster::detail
