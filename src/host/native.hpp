// SPDX-License-Identifier: MIT
#pragma once

// A host that is no child: the worker becomes the program. The owner's side of its calls, and how it begins;
// the program's side is muster/worker.h.

#include <cstdint>

#include "host/plan.hpp"

namespace muster::host {

// The first argument of its calls, so that none of another function is taken for one.
inline constexpr std::uint64_t native_mark = 0x6d75'7374'6572'0001;

// In the worker's init. Does not return; where it fails, the owner is told why.
[[noreturn]] void become_native(const plan& what);

}  // namespace muster::host
