// SPDX-License-Identifier: MIT
// Where tasks live. One thread submits, another one finishes: the worst case of a general allocator, so each
// thread has slabs of its own. It takes blocks from them without any lock; whoever else frees a block keeps
// it until it has a handful for the same owner, and hands those back by one exchange of a list head. The
// owner takes them in when it would need another slab, and lets go of slabs that have become empty.
//
// A thread's cache outlives it: the next thread that starts takes it over, with whatever still comes back.
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>

#include <muster/task.hpp>

#include "base/sanitizer.hpp"

namespace muster::detail {
namespace {

constexpr std::size_t line = 64, slab_bytes = 64 * 1024, classes = 6, handful = 32;
constexpr std::size_t largest = classes * line;
constexpr std::size_t class_of(std::size_t bytes) { return (bytes + line - 1) / line - 1; }

struct block {
  block* next;
};
struct cache;

// Begins at a multiple of slab_bytes, so that a block finds it. Used by its owner only.
struct slab {
  cache* const owner;
  const std::size_t size_class;
  std::size_t used = 0;  // blocks that are not in `free`, nor behind `fresh`
  std::size_t fresh;     // where the part begins that was never used
  block* free = nullptr;
  slab* next = nullptr;  // both: in the owner's list of those with room
  slab* previous = nullptr;
  bool listed = false;

  slab(cache* of, std::size_t which)
      : owner(of), size_class(which), fresh((sizeof(slab) + line - 1) / line * line) {}
  [[nodiscard]] std::size_t block_bytes() const { return (size_class + 1) * line; }
  [[nodiscard]] void* take() {
    if (block* b = free) {
      free = b->next;
      ++used;
      return b;
    }
    if (fresh + block_bytes() > slab_bytes) return nullptr;
    void* b = reinterpret_cast<std::byte*>(this) + fresh;
    fresh += block_bytes();
    ++used;
    return b;
  }
};

slab* slab_of(void* p) {
  return reinterpret_cast<slab*>(reinterpret_cast<std::uintptr_t>(p) & ~(std::uintptr_t{slab_bytes} - 1));
}

struct cache {
  // What others freed: pushed by them (release), taken whole by the owner (acquire).
  alignas(line) std::atomic<block*> returned{nullptr};
  // All below: the owner's.
  alignas(line) slab* current[classes] = {};
  slab* with_room[classes] = {};  // but for the current one
  cache* pending_for = nullptr;   // whose blocks are kept to be handed back together
  block* pending = nullptr;
  block* pending_last = nullptr;
  std::size_t pending_count = 0;
  cache* next_unused = nullptr;

  void* allocate(std::size_t which) {
    if (current[which] != nullptr)
      if (void* p = current[which]->take()) return p;
    take_in_returned();
    if (current[which] != nullptr && current[which]->free != nullptr) return current[which]->take();
    if (slab* s = with_room[which]) {
      unlist(*s);
      current[which] = s;
    } else {
      void* memory = std::aligned_alloc(slab_bytes, slab_bytes);
      if (memory == nullptr) throw std::bad_alloc();
      current[which] = ::new (memory) slab(this, which);
    }
    return current[which]->take();
  }

  void free(void* p) {
    slab* s = slab_of(p);
    if (s->owner == this) return put(*s, static_cast<block*>(p));
    if (s->owner != pending_for) hand_back();
    pending_for = s->owner;
    auto* b = ::new (p) block{pending};
    if (pending == nullptr) pending_last = b;
    pending = b;
    if (++pending_count == handful) hand_back();
  }

  void hand_back() {
    if (pending != nullptr) give(*pending_for, pending, pending_last);
    pending = pending_last = nullptr;
    pending_count = 0;
  }

  static void give(cache& to, block* first, block* last) {
    block* head = to.returned.load(std::memory_order_relaxed);
    do last->next = head;
    while (!to.returned.compare_exchange_weak(head, first, std::memory_order_release,
                                              std::memory_order_relaxed));
  }

private:
  void take_in_returned() {
    for (block* b = returned.exchange(nullptr, std::memory_order_acquire); b != nullptr;) {
      block* const next = b->next;
      put(*slab_of(b), b);
      b = next;
    }
  }

  // Back into its slab. An empty one is let go of, unless it is the only one with room.
  void put(slab& s, void* p) {
    s.free = ::new (p) block{s.free};
    --s.used;
    if (&s == current[s.size_class]) return;
    if (!s.listed) enlist(s);
    const bool another = s.previous != nullptr || s.next != nullptr;
    if (s.used > 0 || !another) return;
    unlist(s);
    std::free(&s);
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
  auto* b = ::new (p) block{nullptr};
  cache::give(*slab_of(p)->owner, b, b);
}

}  // namespace muster::detail
