// SPDX-License-Identifier: MIT
//
// Ctrl-C and SIGTERM as something to read, not something that interrupts. Made by the main thread before any
// other thread, so that all of them leave the signals to it.
#pragma once

namespace muster::cli {

class stop_signals {
public:
  /// Throws std::system_error when there is no descriptor left.
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  /// Readable when one came.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Counts what came.
  void read();
  [[nodiscard]] int count() const noexcept { return count_; }

private:
  int descriptor_;
  int count_ = 0;
};

}  // namespace muster::cli
