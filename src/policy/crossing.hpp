// SPDX-License-Identifier: MIT
#pragma once

// Whether a value has just risen above its limit. Once above it counts as such until it has fallen to half of
// the limit, so that one that wavers around it is told of once. Pure but for what it remembers.

#include <cstddef>

namespace muster::policy {

class crossing {
public:
  // True: it was not above, and is now.
  bool rises(std::size_t value, std::size_t limit) {
    if (above_ && value <= limit / 2) above_ = false;
    if (above_ || value <= limit) return false;
    above_ = true;
    return true;
  }
  [[nodiscard]] bool is_above() const { return above_; }

private:
  bool above_ = false;
};

}  // namespace muster::policy
