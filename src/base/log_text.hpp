// SPDX-License-Identifier: MIT
#pragma once

// Lines of a log as text. Pure functions; any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace muster::base {

// The longest text of a line, what it says of its being cut included.
inline constexpr std::size_t longest_log_text = 4'096;

// The text itself, or its beginning and "… [cut: 1234 bytes]".
std::string cut_text(std::string_view text);

// "[muster-0 task 17 (id)]": where something was said. `worker` below 0: none; task 0: none.
std::string place_tag(std::string_view pool, long worker, unsigned long long task, std::string_view id,
                      std::string_view label = {});

// Each line of the text after the tag, each with a line break.
std::string tag_lines(std::string_view tag, std::string_view text);

}  // namespace muster::base
