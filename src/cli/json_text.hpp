// SPDX-License-Identifier: MIT
//
// Text to JSON, for text that somebody else wrote. Plain functions on the caller's thread.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace muster::cli {

/// Values may nest so deep, here as in <muster/json.hpp>: what copies or prints a deeper one uses a stack for
/// each level.
inline constexpr std::size_t max_json_depth = 256;

/// The value that the text is. An error says why it is none that can be used: "this is not JSON".
std::expected<nlohmann::json, std::string> parse_json(std::string_view text);

}  // namespace muster::cli
