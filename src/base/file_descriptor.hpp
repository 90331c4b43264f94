// SPDX-License-Identifier: MIT
// The owner of one file descriptor: it closes the descriptor when it goes, and it can be moved but not copied.
// Not thread-safe by itself, like a unique_ptr: whoever holds the object calls it.
#pragma once

#include <unistd.h>

#include <utility>

namespace muster::base {

class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int number) noexcept : number_(number) {}
  file_descriptor(file_descriptor&& other) noexcept : number_(other.release()) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] explicit operator bool() const noexcept { return number_ >= 0; }

  // Gives the descriptor away without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }

  // Closes the present descriptor, if there is one, and owns `number` instead. On Linux a descriptor is gone even
  // when close reports an error, so the error is not looked at and close is never repeated.
  void reset(int number = -1) noexcept {
    const int old = std::exchange(number_, number);
    if (old >= 0 && old != number) ::close(old);
  }

 private:
  int number_ = -1;
};

}  // namespace muster::base
