// SPDX-License-Identifier: MIT
#pragma once

// What a host writes, line by line, with the bytes that some lines announce. Bounded: a line by `max_line`,
// bytes by who asks for them. One thread.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include <muster/json.hpp>

namespace muster::host {

enum class line_end : std::uint8_t {
  closed,    // nothing more will come
  cut_off,   // the same, in the middle of a line or of its bytes
  too_long,  // a line is longer than it may be
};

class line_reader {
public:
  // `pidfd`: of the program that writes; once it is dead and what it wrote is read there is nothing more,
  // though others may hold its descriptor. All of it must outlive the reader.
  line_reader(int descriptor, int pidfd, std::size_t max_line)
      : descriptor_(descriptor), pidfd_(pidfd), max_line_(max_line) {}

  // The next line, without its end. Blocks.
  std::expected<std::string, line_end> line();
  // So many bytes. Blocks.
  std::expected<std::vector<std::byte>, line_end> bytes(std::size_t count);

private:
  // Reads once, at most `most` bytes to `into`. 0: nothing more will come.
  std::size_t read_some(char* into, std::size_t most);
  bool fill();

  int descriptor_;
  int pidfd_;
  std::size_t max_line_;
  std::string buffer_;
  std::size_t taken_ = 0;  // of the buffer
};

}  // namespace muster::host
