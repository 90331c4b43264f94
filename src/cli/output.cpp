// SPDX-License-Identifier: MIT
#include "cli/output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace muster::cli {

line_file::line_file(int descriptor, std::string name, bool owned)
    : descriptor_(descriptor), name_(std::move(name)), owned_(owned) {
  struct stat about = {};
  regular_ = ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
}

line_file::line_file(line_file&& other) noexcept
    : descriptor_(other.descriptor_),
      name_(std::move(other.name_)),
      owned_(std::exchange(other.owned_, false)),
      regular_(other.regular_),
      broken_(other.broken_),
      problem_(std::move(other.problem_)),
      buffer_(std::move(other.buffer_)),
      written_(other.written_) {}

line_file::~line_file() {
  if (owned_) ::close(descriptor_);
}

std::expected<line_file, std::string> line_file::create(const std::string& path) {
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (made < 0) return std::unexpected(fmt::format("'{}' cannot be written: {}", path, std::strerror(errno)));
  return line_file(made, path, true);
}

line_file line_file::standard_output() { return line_file(STDOUT_FILENO, "standard output", false); }

void line_file::fail(int error) {
  broken_ = true;
  if (error != 0 && error != EPIPE)
    problem_ = fmt::format("{} cannot be written: {}", name_, std::strerror(error));
}

void line_file::write_once(std::size_t most) {
  const ssize_t wrote = ::write(descriptor_, buffer_.data() + written_, std::min(most, pending()));
  if (wrote < 0) {
    if (errno != EINTR && errno != EAGAIN) fail(errno);
  } else {
    written_ += static_cast<std::size_t>(wrote);
  }
  if (pending() == 0 || broken_) {
    buffer_.clear();
    written_ = 0;
  } else if (written_ > (std::size_t{1} << 20)) {
    buffer_.erase(0, written_);
    written_ = 0;
  }
}

// A pipe that poll calls writable takes at least PIPE_BUF bytes at once.
void line_file::write_some() {
  if (!broken_ && pending() > 0) write_once(regular_ ? pending() : PIPE_BUF);
}

void result_order::put(std::uint64_t index, result_text text) {
  if (unordered_ || into_.broken()) return write(text);
  held_bytes_ += text.size();
  held_.emplace(index, std::move(text));
  while (!held_.empty() && held_.begin()->first == next_) {
    held_bytes_ -= held_.begin()->second.size();
    write(held_.begin()->second);
    held_.erase(held_.begin());
    ++next_;
  }
}

}  // namespace muster::cli
