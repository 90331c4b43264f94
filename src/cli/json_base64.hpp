// SPDX-License-Identifier: MIT
//
// Bytes as text, for JSON (RFC 4648, the alphabet with + and /, with padding). Plain functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

std::string to_base64(std::span<const std::byte> bytes);

/// Nothing when the text is not base64. The padding may be left out.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace muster::cli
