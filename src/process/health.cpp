// SPDX-License-Identifier: MIT
#include "process/health.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace muster::process {

namespace {

std::string silence(duration of) {
  char text[128];
  std::snprintf(text, sizeof text,
                "for %.3f s its task has neither used a processor nor called this_worker::heartbeat()",
                std::chrono::duration<double>(of).count());
  return text;
}

}  // namespace

std::string health::judge(const vital_look& seen, base::time_point now,
                          const std::optional<duration>& max_silence) {
  const bool has_served = last_ && seen.served != last_->served;
  const bool has_moved =
      !last_ || has_served || seen.ticks != last_->ticks || seen.heartbeat != last_->heartbeat;
  const bool is_debugged = seen.state == 't';
  if (!seen.is_busy || has_moved || is_debugged) active_at_ = now;
  last_ = seen;
  if (is_debugged) return {};
  if (seen.state == 'T') return "it was stopped, by SIGSTOP or a signal like it";
  // Who has just ended a call answers in a moment.
  if (!seen.is_busy)
    return seen.has_answered || has_served ? std::string() : "it was idle and did not answer";
  const duration silent_for = now - std::max(active_at_, seen.busy_since);
  return max_silence && silent_for >= *max_silence ? silence(silent_for) : std::string();
}

}  // namespace muster::process
