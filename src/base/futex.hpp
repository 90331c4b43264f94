// SPDX-License-Identifier: MIT
// The kernel's futex on a word in shared memory: sleep while a word has a value, and wake those who do. It
// has no state and no owner; any thread may call it. The *shared* kind is used, so the sleeper and the waker
// may be different processes, and a sleeper needs no more than a read-only mapping of the word.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace muster::base {

// Sleeps while `word` holds `expected`, until a wake, a signal, or the end of `timeout` (none: no limit;
// measured on the monotonic clock). It may also return for no reason at all: the caller always looks again.
// Returns false only when the timeout has passed.
bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::optional<std::chrono::nanoseconds> timeout = std::nullopt) noexcept;

// The same between threads of one process, for less: the kernel need not look what memory the word lies in.
// `until` is on the monotonic clock.
bool futex_wait_here(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     std::optional<std::chrono::steady_clock::time_point> until = std::nullopt) noexcept;
void futex_wake_here(const std::atomic<std::uint32_t>& word) noexcept;

// The same for two words, of which the second is one of this process's: sleeps while each holds what is
// expected of it.
bool futex_wait_on_two(const std::atomic<std::uint32_t>& one, std::uint32_t expected,
                       const std::atomic<std::uint32_t>& other, std::uint32_t other_expected,
                       std::optional<std::chrono::steady_clock::time_point> until = std::nullopt) noexcept;
// Whether that can be had: kernels before 5.16, and sandboxes, do not let a thread sleep on two words.
bool can_wait_on_two() noexcept;

// Wakes everyone who sleeps on `word`. Returns how many there were. Does not block.
int futex_wake(const std::atomic<std::uint32_t>& word) noexcept;

}  // namespace muster::base
