// SPDX-License-Identifier: MIT
#pragma once

// The owner of one open descriptor, by the name that our own code uses.

#include <muster/handle.hpp>

namespace muster::base {

using file_descriptor = muster::unique_fd;

}  // namespace muster::base
