// SPDX-License-Identifier: MIT
#pragma once

// Handlers for signals of a worker process: for those that end it, and for the one by which its owner asks
// where it is. They write where the worker was into the memory that the owner reads. What ends the worker
// then ends it all the same: with the default action, so its status and a core dump are what they would have
// been.

#include "ipc/last_words.hpp"

namespace muster::worker {

// Called once, by the main thread, before any code of the user's. Handlers that are installed already stay,
// and code of the user's may install its own later: then there are no last words. `bell` is rung after the
// answer to the owner's question. The answer is about the thread that `in_question` names then, which is
// called in a handler; null: about the caller. Under a sanitizer nothing is done: its report is the better
// one. `words` and `bell` stay for the life of the process.
void prepare_last_words(ipc::last_words& words, int bell, int (*in_question)() = nullptr);

// Called by every other thread that runs calls, before it does: handlers need a stack where its own is used
// up.
void prepare_last_words_of_this_thread();

}  // namespace muster::worker
