// SPDX-License-Identifier: MIT
#include <muster/event.hpp>

namespace muster {

std::string_view name(event_kind kind) noexcept {
  static constexpr std::string_view names[] = {
      "started",         "stopped",         "worker_started",   "worker_ready",        "worker_stopped",
      "worker_died",     "worker_recycled", "worker_unhealthy", "worker_healthy",      "start_failed",
      "degraded",        "recovered",       "scaled",           "task_began",          "task_failed",
      "task_retried",    "task_stuck",      "memory_pressure",  "chooser_failed",      "task_dropped",
      "stopping",        "paused",          "resumed",          "health_report",       "backing_up",
      "error",           "worker_failed",   "circuit_opened",   "circuit_half_opened", "circuit_closed",
      "task_quarantined"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace muster
