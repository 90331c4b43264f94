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

timespec timespec_of(std::chrono::nanoseconds time) {
  const auto positive = std::max(time, std::chrono::nanoseconds::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(positive);
  return {.tv_sec = static_cast<time_t>(seconds.count()),
          .tv_nsec = static_cast<long>((positive - seconds).count())};
}

}  // namespace

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::optional<std::chrono::nanoseconds> timeout) noexcept {
  timespec relative{};
  if (timeout) relative = timespec_of(*timeout);
  // FUTEX_WAIT measures a relative timeout on the monotonic clock.
  if (futex(word, FUTEX_WAIT, expected, timeout ? &relative : nullptr) == 0) return true;
  if (errno == ETIMEDOUT) return false;
  // EAGAIN: the word had changed. EINTR: a signal. Anything else means that the word is not mapped memory.
  assert(errno == EAGAIN || errno == EINTR);
  return true;
}

bool futex_wait_here(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     std::optional<std::chrono::steady_clock::time_point> until) noexcept {
  timespec absolute{};
  if (until) absolute = timespec_of(until->time_since_epoch());
  // Unlike FUTEX_WAIT it takes a time and not a duration.
  if (::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, until ? &absolute : nullptr, nullptr,
                FUTEX_BITSET_MATCH_ANY) == 0)
    return true;
  if (errno == ETIMEDOUT) return false;
  assert(errno == EAGAIN || errno == EINTR);
  return true;
}

void futex_wake_here(const std::atomic<std::uint32_t>& word) noexcept {
  futex(word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr);
}

bool futex_wait_on_two(const std::atomic<std::uint32_t>& one, std::uint32_t expected,
                       const std::atomic<std::uint32_t>& other, std::uint32_t other_expected,
                       std::optional<std::chrono::steady_clock::time_point> until) noexcept {
#ifdef SYS_futex_waitv
  const auto address = [](const auto& word) { return reinterpret_cast<std::uintptr_t>(&word); };
  futex_waitv words[2] = {{.val = expected, .uaddr = address(one), .flags = FUTEX_32, .__reserved = 0},
                          {.val = other_expected,
                           .uaddr = address(other),
                           .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG,
                           .__reserved = 0}};
  timespec absolute{};
  if (until) absolute = timespec_of(until->time_since_epoch());
  if (::syscall(SYS_futex_waitv, words, 2, 0, until ? &absolute : nullptr, CLOCK_MONOTONIC) >= 0) return true;
  if (errno == ETIMEDOUT) return false;
  assert(errno == EAGAIN || errno == EINTR);
  return true;
#else
  static_cast<void>(other), static_cast<void>(other_expected);
  if (!until) return futex_wait(one, expected);
  return futex_wait(one, expected, *until - std::chrono::steady_clock::now());
#endif
}

bool can_wait_on_two() noexcept {
#ifdef SYS_futex_waitv
  // Of no words: that is refused as such where the call exists.
  static const bool can = ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) != 0 && errno == EINVAL;
  return can;
#else
  return false;
#endif
}

int futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
  const long woken = futex(word, FUTEX_WAKE, INT_MAX, nullptr);
  assert(woken >= 0);
  return static_cast<int>(woken);
}

}  // namespace muster::base
