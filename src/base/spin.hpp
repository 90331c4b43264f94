// SPDX-License-Identifier: MIT
// Looking again and again before sleeping, for two partners on two CPUs: on one they would only keep each
// other from going on.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace muster::base {

// A word of memory that says on which CPU a thread was last seen; 0: it was not yet. Relaxed: a hint.
using cpu_word = std::atomic<std::uint32_t>;
inline void note_cpu(cpu_word& of_this_thread) {
  of_this_thread.store(static_cast<std::uint32_t>(::sched_getcpu()) + 1, std::memory_order_relaxed);
}
inline bool is_elsewhere(const cpu_word& other) {
  const std::uint32_t seen = other.load(std::memory_order_relaxed);
  return seen != 0 && seen != static_cast<std::uint32_t>(::sched_getcpu()) + 1;
}

inline void pause_a_little() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Until `done` holds, which is then what it returns; false after `longest`, or when the partner runs on this
// CPU too.
template <class Done>
bool spin(std::chrono::nanoseconds longest, const cpu_word& partner, Done done) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (is_elsewhere(partner)) {
    for (int looks = 0; looks < 50; ++looks) {
      if (done()) return true;
      pause_a_little();
    }
    if (std::chrono::steady_clock::now() >= end) break;
  }
  return done();
}

}  // namespace muster::base
