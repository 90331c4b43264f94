// SPDX-License-Identifier: MIT
#pragma once

/// What a task says about the worker process it runs in. All of these may be called from any thread of a
/// worker process, do not block, and do nothing elsewhere: on a thread of a thread_pool, in the owner, in a
/// process that a task has forked.

#include <cstddef>
#include <string_view>

namespace muster::this_worker {

/// "I am still at it": for a task that neither computes nor ends for a while. See
/// health_options::max_silence. One store; call it as often as you like.
void heartbeat() noexcept;

/// This worker shall take no further task: what it holds is broken, though the present one, and those that
/// run beside it, may still return their values or throw. After that it ends, and is replaced at once; what
/// it had not begun goes to others. (While others still run there, it is replaced only where workers.max
/// allows one more process.) It counts neither as a death nor, once the worker has had a task, as a
/// failed start; event_kind::worker_stopped gives `why` (its first 1,000 bytes). The first call counts.
void end_after_task(std::string_view why) noexcept;

/// How much memory this worker uses by its own count, say in a device. It appears in
/// worker_stats::reported_memory, and counts for limit_options::memory_soft where it is more than the
/// kernel's figure.
void report_memory(std::size_t bytes) noexcept;

}  // namespace muster::this_worker
