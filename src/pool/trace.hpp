// SPDX-License-Identifier: MIT
#pragma once

// The trace that the code which runs now belongs to: that of a task of a thread pool, or of the call that a
// worker process runs.

#include "base/trace_here.hpp"
#include "engine/engine.hpp"

namespace muster::pool {

// Null: none.
inline const trace_context* trace_here() {
  if (const engine::inside* at = engine::here()) return engine::trace_of(*at->running);
  return base::trace_of_call;
}

}  // namespace muster::pool
