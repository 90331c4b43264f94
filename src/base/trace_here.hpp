// SPDX-License-Identifier: MIT
#pragma once

// The trace of the call that this thread of a worker process runs. Written and read by that thread alone.

#include <muster/trace.hpp>

namespace muster::base {

inline constinit thread_local const trace_context* trace_of_call = nullptr;

// While it lives, this thread's call has this trace; null: none.
class within_trace {
public:
  explicit within_trace(const trace_context* trace) : outer_(trace_of_call) { trace_of_call = trace; }
  ~within_trace() { trace_of_call = outer_; }
  within_trace(const within_trace&) = delete;

private:
  const trace_context* outer_;
};

}  // namespace muster::base
