// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/file_descriptor.hpp"
#include "process/zygote.hpp"

// The zygote's own side: what the process runs once it is the zygote. Called by the only thread of a process
// that was forked, or run, for nothing else.

namespace muster::process {

// One-byte messages. On the main socket the owner says `hello` (with its own pidfd) and later `attach` (with
// one end of a new link); the zygote answers the first with `ready` (its pid as a number after the byte, and
// its pidfd) or `failed` (a text after the byte). On a new link the zygote's first message is `attached`.
enum class main_word : unsigned char { hello = 'H', ready = 'R', failed = 'F', attach = 'A', attached = 'a' };

// Leaves the family of the process it was forked from (so that the host's wait() never meets it), becomes the
// zygote and serves until its owner is gone. The calling process ends at once; the zygote is its child.
[[noreturn]] void become_zygote(base::file_descriptor main_socket, const hooks& functions);

// In a new worker: it is one from now on (see is_worker).
void mark_as_worker();

}  // namespace muster::process
