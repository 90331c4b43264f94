// SPDX-License-Identifier: MIT
#include "base/pidfd.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/socket.hpp"

namespace muster::base {
namespace {

// Polls until the process is dead or `deadline` has passed.
bool dead_by(int pidfd, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wanted{.fd = pidfd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::clamp<long long>(left.count(), 0, 1'000'000)));
    if (ready > 0) return (wanted.revents & (POLLIN | POLLHUP)) != 0;
    if (ready == 0 && left.count() <= 1'000'000) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

std::expected<file_descriptor, os_error> open_pidfd(pid_t pid) {
  const long descriptor = ::syscall(SYS_pidfd_open, pid, 0);
  if (descriptor < 0) return std::unexpected(last_os_error("pidfd_open"));
  return above_standard(file_descriptor(static_cast<int>(descriptor)));
}

std::expected<void, os_error> send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0)
    return std::unexpected(last_os_error("pidfd_send_signal"));
  return {};
}

bool is_dead(int pidfd) { return wait_until_dead(pidfd, std::chrono::milliseconds(0)); }

bool wait_until_dead(int pidfd, std::chrono::milliseconds timeout) {
  return dead_by(pidfd, std::chrono::steady_clock::now() + timeout);
}

}  // namespace muster::base
