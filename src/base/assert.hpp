// SPDX-License-Identifier: MIT
#pragma once

// MUSTER_ASSERT(condition): a broken invariant ends the process with its place in the source, in release
// builds too. It is for muster's own mistakes only; whatever a worker, a user or the operating system may do
// is an error value.

namespace muster::base {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace muster::base

#define MUSTER_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::muster::base::assertion_failed(#condition, __FILE__, __LINE__))
