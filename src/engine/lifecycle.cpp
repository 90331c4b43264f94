// SPDX-License-Identifier: MIT
#include "engine/lifecycle.hpp"

#include "base/assert.hpp"

namespace muster::engine {

std::string_view name(worker_state state) {
  static constexpr std::string_view names[] = {"starting", "idle", "busy", "stopping", "unhealthy", "dead"};
  return names[static_cast<std::size_t>(state)];
}

std::string_view name(worker_event event) {
  static constexpr std::string_view names[] = {"ready", "begin", "rest", "retire",
                                               "doubt", "trust", "end",  "replace"};
  return names[static_cast<std::size_t>(event)];
}

std::string_view name(task_state state) {
  static constexpr std::string_view names[] = {"queued", "placed", "running", "waiting", "settled"};
  return names[static_cast<std::size_t>(state)];
}

std::string_view name(task_event event) {
  static constexpr std::string_view names[] = {"place", "begin", "take_back", "wait", "requeue", "settle"};
  return names[static_cast<std::size_t>(event)];
}

void move(detail::task& t, task_event event) {
  const auto to = next(t.state.load(std::memory_order_relaxed), event);
  MUSTER_ASSERT(to.has_value());
  t.state.store(*to, std::memory_order_relaxed);
}

}  // namespace muster::engine
