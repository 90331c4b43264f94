// SPDX-License-Identifier: MIT
#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <climits>
#include <ctime>

namespace muster::base {

namespace {

// The kernel wants the address of a plain 32-bit integer; an atomic one has the same representation.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) {
  return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

}  // namespace

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::optional<std::chrono::nanoseconds> timeout) noexcept {
  timespec relative{};
  if (timeout) {
    const auto rest = std::max(*timeout, std::chrono::nanoseconds::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rest);
    relative.tv_sec = static_cast<time_t>(seconds.count());
    relative.tv_nsec = static_cast<long>((rest - seconds).count());
  }
  // FUTEX_WAIT measures a relative timeout on the monotonic clock.
  if (futex(word, FUTEX_WAIT, expected, timeout ? &relative : nullptr) == 0) return true;
  if (errno == ETIMEDOUT) return false;
  // EAGAIN: the word had changed. EINTR: a signal. Anything else means that the word is not mapped memory.
  assert(errno == EAGAIN || errno == EINTR);
  return true;
}

int futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
  const long woken = futex(word, FUTEX_WAKE, INT_MAX, nullptr);
  assert(woken >= 0);
  return static_cast<int>(woken);
}

}  // namespace muster::base
