// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

// Tells whose descendant a process is, when all between it and its worker have ended and it came to the
// zygote, which adopts what its workers leave behind. Each worker carries a mark that fork and exec hand down
// and that nothing else looks at: the soft limit of file locks (RLIMIT_LOCKS), which the kernel has not used
// since 2.4.25. A program can shake it off only by setting that very limit. Any thread.

namespace muster::process {

// Marks the calling process, and so all that it will start, as of this worker of this zygote. Where the hard
// limit does not allow it there is no mark.
void mark_descendants(pid_t zygote, std::uint32_t worker);

// Which worker of this zygote `descendant` comes from; nullopt where it does not say.
std::optional<std::uint32_t> worker_behind(pid_t descendant, pid_t zygote);

}  // namespace muster::process
