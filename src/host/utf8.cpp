// SPDX-License-Identifier: MIT
#include "host/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace muster::host {
namespace {

// The length of the character at `at`; 0: it is none.
std::size_t length_at(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xbf) {
    return byte(i) >= from && byte(i) <= to;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned from = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned to = first == 0xed ? 0x9f : 0xbf;
    return follows(1, from, to) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned from = first == 0xf0 ? 0x90 : 0x80;
    const unsigned to = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, from, to) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    // Most text is ASCII: eight at a time.
    std::uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = length_at(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void append_utf8(std::string& text, unsigned code) {
  const auto add = [&](unsigned byte) { text += static_cast<char>(byte); };
  const auto rest = [&](unsigned shift) { add(0x80U | (code >> shift & 0x3fU)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0U | code >> 6U);
    rest(0);
  } else if (code < 0x10000) {
    add(0xe0U | code >> 12U);
    rest(6);
    rest(0);
  } else {
    add(0xf0U | code >> 18U);
    rest(12);
    rest(6);
    rest(0);
  }
}

}  // namespace muster::host
