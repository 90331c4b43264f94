// SPDX-License-Identifier: MIT
//
// Where an exception was thrown, found out while the stack still stands and at no cost until something is
// thrown. A worker runs each task through `traced_call` on the task's thread and asks `describe_trace` on the
// same thread in its catch block. Nothing is interposed: the trace is taken in the search phase of an
// exception that passes through.
#pragma once

#include <string>

namespace muster::module {

/// Calls `function(argument)`. An exception that leaves it passes through and leaves its trace with this
/// thread.
void traced_call(void (*function)(void*), void* argument);

/// The trace of the exception that left the last traced_call of this thread, a line a frame, the throwing
/// function first: "#0 function+0x12 (module+0x3456)". Empty when nothing was thrown, or where traces cannot
/// be taken.
std::string describe_trace();

}  // namespace muster::module
