// SPDX-License-Identifier: MIT
#pragma once

// Passes bytes on to this process's standard error without ever waiting for its reader: what it does not take
// now is kept, up to a bound, and what is beyond is dropped and counted. One thread uses an object; it must
// have SIGPIPE blocked.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace muster::base {

class standard_error {
public:
  explicit standard_error(int descriptor = 2, std::size_t most_kept = 256 * 1024)
      : descriptor_(descriptor), most_kept_(most_kept) {}
  // Passes on what was kept, then this.
  void write(std::span<const char> bytes);
  // Tries again. True: nothing is left.
  bool flush();
  [[nodiscard]] bool empty() const { return kept_.empty() && dropped_ == 0; }

private:
  void say_what_was_dropped();

  const int descriptor_;
  const std::size_t most_kept_;
  std::string kept_;
  std::uint64_t dropped_ = 0;
};

}  // namespace muster::base
