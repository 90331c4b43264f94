// SPDX-License-Identifier: MIT
#include "host/line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace muster::host {

std::size_t line_reader::read_some(char* into, std::size_t most) {
  for (;;) {
    pollfd seen[2] = {{.fd = descriptor_, .events = POLLIN, .revents = 0},
                      {.fd = pidfd_, .events = POLLIN, .revents = 0}};
    if (::poll(seen, 2, -1) < 0) continue;  // EINTR
    if (seen[0].revents == 0) return 0;     // it is dead, and all is read
    const ssize_t got = ::read(descriptor_, into, most);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }
}

bool line_reader::fill() {
  constexpr std::size_t at_once = 64U << 10U;
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
  } else if (taken_ > at_once) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  const std::size_t had = buffer_.size();
  buffer_.resize(had + at_once);
  const std::size_t got = read_some(buffer_.data() + had, at_once);
  buffer_.resize(had + got);
  return got != 0;
}

std::expected<std::string, line_end> line_reader::line() {
  std::size_t searched = 0;  // behind taken_
  for (;;) {
    const char* const from = buffer_.data() + taken_;
    const std::size_t there = buffer_.size() - taken_;
    const void* const found =
        there > searched ? std::memchr(from + searched, '\n', there - searched) : nullptr;
    const std::size_t length =
        found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - from) : there;
    if (length > max_line_) return std::unexpected(line_end::too_long);
    if (found != nullptr) {
      std::string result(from, length);
      taken_ += length + 1;
      return result;
    }
    searched = there;
    if (!fill()) return std::unexpected(there == 0 ? line_end::closed : line_end::cut_off);
  }
}

std::expected<std::vector<std::byte>, line_end> line_reader::bytes(std::size_t count) {
  const std::size_t there = std::min(count, buffer_.size() - taken_);
  const auto* const from = reinterpret_cast<const std::byte*>(buffer_.data()) + taken_;
  std::vector<std::byte> result(from, from + there);
  taken_ += there;
  // Memory grows with what has come, not with what was announced.
  constexpr std::size_t step = 16U << 20U;
  while (result.size() < count) {
    const std::size_t had = result.size();
    result.resize(std::min(count, had + step));
    std::size_t at = had;
    while (at < result.size()) {
      const std::size_t got = read_some(reinterpret_cast<char*>(result.data()) + at, result.size() - at);
      if (got == 0) return std::unexpected(line_end::cut_off);
      at += got;
    }
  }
  return result;
}

}  // namespace muster::host
