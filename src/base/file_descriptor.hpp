// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <utility>

// The owner of one open descriptor: closes it once, at the end of its life. Move-only. Used by whoever opened
// the descriptor or received it; no locking, one thread at a time.

namespace muster::base {

class file_descriptor {
public:
  file_descriptor() noexcept = default;
  explicit file_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  file_descriptor(file_descriptor&& other) noexcept : descriptor_(other.release()) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor() { reset(); }

  // -1 when empty.
  int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }

  // Gives the descriptor away without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

  // Closes what is held and holds `descriptor` instead. close is not repeated after EINTR: on Linux the
  // descriptor is gone by then, and its number may already belong to another thread.
  void reset(int descriptor = -1) noexcept {
    const int old = std::exchange(descriptor_, descriptor);
    if (old >= 0) ::close(old);
  }

private:
  int descriptor_ = -1;
};

}  // namespace muster::base
