// SPDX-License-Identifier: MIT
//
// What the floors share: a futex on memory that two processes see, and the second process. Used by one thread
// of each.
#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <new>

#include "common.hpp"

namespace bench {

using word = std::atomic<std::uint32_t>;

/// Sleeps while the word is `seen`; may return for no reason.
inline void futex_wait(word& at, std::uint32_t seen) {
  syscall(SYS_futex, &at, FUTEX_WAIT, seen, nullptr, nullptr, 0);
}
inline void futex_wake(word& at) { syscall(SYS_futex, &at, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

/// A T in memory that a forked process shares. It is never given back: the program ends soon.
template <class T>
T& make_shared_memory() {
  void* memory =
      mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  require(memory != MAP_FAILED, "no shared memory");
  return *new (memory) T();
}

/// The n-th CPU that this program may use; -1 when it may not use so many.
inline int usable_cpu(int n) {
  cpu_set_t usable;
  require(sched_getaffinity(0, sizeof usable, &usable) == 0, "the usable CPUs cannot be read");
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &usable) && n-- == 0) return cpu;
  }
  return -1;
}
inline void stay_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  require(sched_setaffinity(0, sizeof one, &one) == 0, "the CPU cannot be chosen");
}

/// A forked process that runs `body`, which need not return, and ends with its parent at the latest.
class other_process {
public:
  template <class Body>
  explicit other_process(Body body) : pid_(fork()) {
    require(pid_ >= 0, "no second process");
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    _exit(0);
  }
  other_process(const other_process&) = delete;
  other_process& operator=(const other_process&) = delete;
  ~other_process() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

private:
  pid_t pid_;
};

}  // namespace bench
