// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

// Whether this build runs under a sanitizer, whose runtime takes signals, memory and a thread for itself.
// Constants.

namespace muster::base {

#if defined(__has_feature)
#define MUSTER_HAS_FEATURE(name) __has_feature(name)
#else
#define MUSTER_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || MUSTER_HAS_FEATURE(address_sanitizer) || \
    MUSTER_HAS_FEATURE(memory_sanitizer)
inline constexpr bool memory_is_sanitized = true;
#else
inline constexpr bool memory_is_sanitized = false;
#endif

#if defined(__SANITIZE_THREAD__) || MUSTER_HAS_FEATURE(thread_sanitizer)
inline constexpr bool threads_are_sanitized = true;
#else
inline constexpr bool threads_are_sanitized = false;
#endif

#undef MUSTER_HAS_FEATURE

inline constexpr bool is_sanitized = memory_is_sanitized || threads_are_sanitized;

// Threads of a program that has started none: the thread sanitizer's runtime has one, which no fork carries
// along.
inline constexpr std::size_t threads_of_a_single_threaded_program = threads_are_sanitized ? 2 : 1;

}  // namespace muster::base
