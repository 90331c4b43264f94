// SPDX-License-Identifier: MIT
#pragma once

/// The trace that a task belongs to, as W3C Trace Context has it: the two header values that tracing systems
/// pass on. muster carries them to the worker, on a thread or in another process, and changes nothing in
/// them; spans are made by whoever traces, from muster::current_trace().
///
///     pool.submit({.trace = {.traceparent = request.header("traceparent")}}, shrink, path);
///
/// A task that is submitted inside a task has that one's trace, unless it is given another.

#include <string>

namespace muster {

struct trace_context {
  /// "00-" 32 digits "-" 16 digits "-" 2 digits, hexadecimal in lower case, neither of the two ids all zero:
  /// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". Later versions may be longer, up to 256
  /// bytes. Empty: no trace.
  std::string traceparent{};
  /// A list of at most 32 entries key=value, at most 512 bytes. Only with a traceparent.
  std::string tracestate{};

  [[nodiscard]] bool empty() const noexcept { return traceparent.empty(); }
  friend bool operator==(const trace_context&, const trace_context&) = default;
};

/// The trace of the task that this thread runs, in a thread pool or a worker process; empty where it runs
/// none, or one without. Threads that a task makes, continuations and event handlers have none. Code in a
/// module that does not link the library says context::trace.
trace_context current_trace();

}  // namespace muster
