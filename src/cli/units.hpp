// SPDX-License-Identifier: MIT
//
// Times, sizes and counts as a person writes them on a command line. Plain functions; an error is a sentence
// that lists what is accepted.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include <muster/options.hpp>

namespace muster::cli {

/// "300ms", "5s", "2m", "1h", "0.5" (seconds). Not negative.
std::expected<duration, std::string> parse_duration(std::string_view text);

/// "512MiB", "2GiB", "500MB", "1000000" (bytes).
std::expected<std::size_t, std::string> parse_size(std::string_view text);

/// "4" or "1:8".
std::expected<worker_options, std::string> parse_workers(std::string_view text);

/// "pull", "fewest" or "round_robin".
std::expected<strategy, std::string> parse_strategy(std::string_view text);

}  // namespace muster::cli
