// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace muster::base {

// Text of a stranger's that is shown to people: control characters become question marks.
inline std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

}  // namespace muster::base
