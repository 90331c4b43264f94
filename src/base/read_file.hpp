// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace muster::base {

// All of a file, for those of /proc and /sys: their size is known only by their end. None: it cannot be read.
std::optional<std::string> read_whole(const std::string& path);

}  // namespace muster::base
