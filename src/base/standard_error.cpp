// SPDX-License-Identifier: MIT
#include "base/standard_error.hpp"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace muster::base {

void standard_error::write(std::span<const char> bytes) {
  flush();
  const std::size_t fits = std::min(bytes.size(), most_kept_ - std::min(kept_.size(), most_kept_));
  if (dropped_ == 0) kept_.append(bytes.data(), fits);
  dropped_ += dropped_ == 0 ? bytes.size() - fits : bytes.size();
  flush();
}

// A pipe that poll calls writable has room for PIPE_BUF bytes, so writing no more than that does not block.
bool standard_error::flush() {
  for (;;) {
    if (kept_.empty() && dropped_ > 0) say_what_was_dropped();
    if (kept_.empty()) return true;
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) == 0) return false;
    const ssize_t wrote = ::write(descriptor_, kept_.data(), std::min<std::size_t>(kept_.size(), PIPE_BUF));
    if (wrote < 0 && (errno == EINTR || errno == EAGAIN)) {
      if (errno == EAGAIN) return false;
      continue;
    }
    if (wrote < 0) {  // nobody can read it any more
      kept_.clear();
      dropped_ = 0;
      return true;
    }
    kept_.erase(0, static_cast<std::size_t>(wrote));
  }
}

void standard_error::say_what_was_dropped() {
  kept_ = "\nmuster: standard error was not read; " + std::to_string(dropped_) +
          " bytes of workers are left out\n";
  dropped_ = 0;
}

}  // namespace muster::base
