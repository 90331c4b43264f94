// SPDX-License-Identifier: MIT
#pragma once

/// Open files, pipes and sockets as arguments and results of tasks. What has an owner moves:
///
///     auto [reads, writes] = make_pipe();                        // two unique_fd
///     auto size = pool.submit(count_bytes, std::move(reads));    // size_t count_bytes(muster::unique_fd)
///     muster::unique_fd log = pool.submit(open_log, path).get(); // muster::unique_fd open_log(std::string)
///
/// On a thread pool it is moved like any value. On a process pool the worker gets its own descriptor of the
/// same open file (close-on-exec, never 0, 1 or 2), and the owner's is closed once the worker has it; while
/// the task may run again (retry_options) the pool keeps it until the task settles. It is sent when the task
/// begins, so a task that is cancelled before, or moves to another worker, leaves no copy anywhere. A
/// unique_fd may be inside containers and inside structs that cross by muster::fields or a codec; a call
/// carries at most 16 of them each way (more: encode_error).
///
/// An argument that is given as an lvalue (a vector of unique_fd, say) stays the caller's, and the worker
/// gets duplicates. A struct for a thread pool that holds a container of them should delete its copy
/// constructor: a std::vector says that it can be copied even where its elements cannot.

#include <utility>

namespace muster {

namespace detail {
// The system's own; declared here so that no header of the system's is needed.
extern "C" int close(int);
}  // namespace detail

/// Owns one open descriptor and closes it once, at the end of its life. Move-only; one thread at a time.
class unique_fd {
public:
  unique_fd() noexcept = default;
  /// Takes the descriptor over. Below 0: empty.
  explicit unique_fd(int descriptor) noexcept : descriptor_(descriptor) {}
  unique_fd(unique_fd&& other) noexcept : descriptor_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  ~unique_fd() { reset(); }

  /// A second descriptor of the same open file, close-on-exec: for what stays yours, such as
  /// `unique_fd::duplicate_of(fileno(file))`. Throws std::system_error where the system refuses.
  [[nodiscard]] static unique_fd duplicate_of(int descriptor);

  /// Below 0 when empty.
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }

  /// Gives the descriptor away without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

  /// Closes what is held and holds `descriptor` instead. close is not repeated after EINTR: on Linux the
  /// descriptor is gone by then, and its number may already belong to another thread.
  void reset(int descriptor = -1) noexcept {
    const int old = std::exchange(descriptor_, descriptor);
    if (old >= 0) detail::close(old);
  }

private:
  int descriptor_ = -1;
};

}  // namespace muster
