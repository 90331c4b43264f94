// SPDX-License-Identifier: MIT
#pragma once

// A worker process becomes another program, which has the library in it and goes on as the same worker: what
// the first has of its owner, the five descriptors and a line of text in the environment, is handed over by
// exec. Both sides are one process, one after the other; each function is called once, by the only thread.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <muster/call.hpp>

#include "ipc/birth.hpp"
#include "ipc/messages.hpp"

namespace muster::worker {

// Before any code of the user's.
void prepare_handover(const ipc::worker_channels& mine, const ipc::loop_orders& orders);

// Becomes the program of these words, the first looked for in PATH. Returns only where that fails: with why.
std::string become(const std::vector<std::string>& words);

// In the program: takes what was handed over. Where there is nothing, or its layout is not the one of this
// library, the error is a sentence; an owner that can be told has heard it. The others below come after it.
std::expected<void, std::string> take_over();

// It cannot serve, and ends.
void tell_not_ready(std::string_view why);

// Runs the worker, with one thunk for every call: this program has none of its owner's functions. Returns the
// exit code of the process.
int go_on(detail::thunk_function every_call);

}  // namespace muster::worker
