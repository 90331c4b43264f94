// SPDX-License-Identifier: MIT
#pragma once

namespace muster {

/// Call this first thing in `main`: before the first thread, and after nothing but what workers should see.
///
/// Worker processes begin here and never return: they see the program as it was at this call. Later state
/// reaches them by arguments, by process_options::env and cwd, or by process_options::init. Thread pools do
/// not need it. Calling it twice does no harm. Does not block; throws not_started when the first helper
/// process cannot be made.
void init(int argc, char** argv);

/// For programs that have no arguments at hand.
void init();

}  // namespace muster
