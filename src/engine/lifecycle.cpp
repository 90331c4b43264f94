// SPDX-License-Identifier: MIT
#include "engine/lifecycle.hpp"

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

}  // namespace muster::engine
