// SPDX-License-Identifier: MIT
#include "engine/registry.hpp"

#include <cstddef>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <unordered_set>

namespace muster::engine {

namespace {
struct registry {
  std::shared_mutex mutex;
  std::unordered_set<const detail::task_home*> living;
};
// Never destroyed, because futures in static objects may still ask; nor on the heap, because a plugin with
// the library inside may be unloaded.
registry& all() {
  alignas(registry) static std::byte place[sizeof(registry)];
  static auto* const one = ::new (place) registry;
  return *one;
}
// A continuation may run inside with_living and call it again; a shared mutex must not be locked twice by a
// thread.
thread_local int depth = 0;
}  // namespace

void enlist(detail::task_home& home) {
  const std::unique_lock lock(all().mutex);
  all().living.insert(&home);
}

void delist(detail::task_home& home) {
  const std::unique_lock lock(all().mutex);
  all().living.erase(&home);
  if (all().living.empty())
    std::unordered_set<const detail::task_home*>().swap(all().living);  // its table too
}

bool with_living(detail::task_home* home, const std::function<void(detail::task_home&)>& f) {
  std::shared_lock lock(all().mutex, std::defer_lock);
  if (depth == 0) lock.lock();
  ++depth;
  const bool lives = all().living.contains(home);
  if (lives) f(*home);
  --depth;
  return lives;
}

}  // namespace muster::engine
