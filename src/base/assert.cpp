// SPDX-License-Identifier: MIT
#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace muster::base {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  // The process cannot be trusted any more, so no allocation and no locale: one line and the end.
  std::fprintf(stderr, "muster: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace muster::base
