// SPDX-License-Identifier: MIT
// Model: memory of tasks. One thread makes tasks and ends, another one frees them, with a cache of its own or
// with none, and a third adopts the cache that was left, while blocks still come back to it. No block is
// given twice or before its last user is done with it, none is lost, no slab is let go of that is in use, and
// a cache has one user at a time.
#include "relacy_atomics.hpp"

#include "queue/task_cache.hpp"

namespace {

using policy = model::relacy_atomics;

struct sizes {
  static constexpr std::size_t slab = 512;  // two blocks
  static constexpr std::array<std::size_t, 1> blocks{128};
  static constexpr std::size_t bundle = 2;
};

// Where slabs come from, with a lock as the real one.
class slab_store {
public:
  static constexpr std::size_t most = 8;
  void* take() {
    const std::lock_guard lock(*mutex);
    for (std::size_t i = 0; i < most; ++i)
      if (!std::exchange(is_out[i], true)) return memory_ + i * sizes::slab;
    return nullptr;
  }
  void give(void* slab) {
    const std::lock_guard lock(*mutex);
    const std::size_t i = index_of(slab) / (sizes::slab / 64);
    RL_ASSERT(is_out[i]);
    is_out[i] = false;
    model::reach(0);
  }
  // In cache lines.
  std::size_t index_of(void* p) const {
    return static_cast<std::size_t>(static_cast<std::byte*>(p) - memory_) / 64;
  }
  void* slab(std::size_t i) { return memory_ + i * sizes::slab; }

  model::mutex* mutex = nullptr;
  std::array<bool, most> is_out{};

private:
  alignas(sizes::slab) std::byte memory_[most * sizes::slab]{};
};
slab_store store;

using cache_of_tasks = muster::queue::basic_task_cache<policy, sizes, store>;

// What relacy sees of a cache's own memory, and of a block's.
struct cache : cache_of_tasks {
  inline static std::array<cache*, 4> all{};
  inline static std::size_t count = 0;
  cache() { all[count++] = this; }
  model::plain<unsigned> touched;
};

struct task_caches : rl::test_suite<task_caches, 3> {
  static constexpr unsigned places = 4;
  static constexpr unsigned made = 3;

  model::mutex store_mutex;
  muster::queue::unused_caches<cache, model::mutex> unused;
  std::array<model::plain<unsigned>, slab_store::most * sizes::slab / 64> contents;
  std::array<bool, slab_store::most * sizes::slab / 64> is_given{};
  std::array<model::shared_word<void*>, made> handed;  // from who makes to who frees

  void before() {
    store.mutex = &store_mutex;
    store.is_out = {};
    cache::count = 0;
  }

  void* make(cache& by, unsigned content) {
    by.touched = content;
    void* const p = by.allocate(100);
    const std::size_t at = store.index_of(p);
    RL_ASSERT(!is_given[at]);
    is_given[at] = true;
    contents[at] = content;
    return p;
  }
  void end(void* p, unsigned content) {
    const std::size_t at = store.index_of(p);
    RL_ASSERT(is_given[at] && contents[at] == content);
    contents[at] = 0;
    is_given[at] = false;
  }
  void free(cache& by, void* p, unsigned content) {
    by.touched = content;
    end(p, content);
    by.free(p);
  }

  void thread(unsigned index) {
    switch (index) {
      case 0: return maker();
      case 1: return ender();
      default: return later();
    }
  }

  void maker() {
    cache& mine = *unused.adopt();
    for (unsigned i = 0; i < made; ++i)
      policy::store(handed[i], make(mine, 10 + i), std::memory_order_release);
    // The seeded bug lets go of a cache before its last use.
    if (model::seeded == model::bug::own) unused.leave(mine);
    void* const one_more = make(mine, 20);
    free(mine, one_more, 20);
    if (model::seeded != model::bug::own) unused.leave(mine);
  }

  void ender() {
    cache* const mine = rl::rand(2) == 0 ? unused.adopt() : nullptr;
    for (unsigned i = 0; i < made; ++i) {
      rl::backoff pause;
      void* p = nullptr;
      while ((p = policy::load(handed[i], std::memory_order_acquire)) == nullptr) pause.yield(RL_INFO);
      if (mine != nullptr) {
        free(*mine, p, 10 + i);
      } else {
        end(p, 10 + i);
        cache::free_from_outside(p);
        model::reach(1);
      }
    }
    if (mine != nullptr) unused.leave(*mine);
  }

  void later() {
    cache& mine = *unused.adopt();
    if (mine.touched != 0) model::reach(2);
    std::array<void*, 3> kept{};
    for (unsigned i = 0; i < kept.size(); ++i) kept[i] = make(mine, 30 + i);
    for (unsigned i = 0; i < kept.size(); ++i) free(mine, kept[i], 30 + i);
    unused.leave(mine);
  }

  void after() {
    for (std::size_t i = 0; i < cache::count; ++i) cache::all[i]->take_in_returned();
    for (std::size_t i = 0; i < slab_store::most; ++i)
      if (store.is_out[i]) RL_ASSERT(cache::slab::of(store.slab(i)).used == 0);
    if (cache::count < 3) model::reach(3);
    for (std::size_t i = 0; i < cache::count; ++i) delete cache::all[i];
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<task_caches>("task cache", 300'000, {bug::weak_exchange, bug::own});
}
