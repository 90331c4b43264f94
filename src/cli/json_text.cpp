// SPDX-License-Identifier: MIT
#include "cli/json_text.hpp"

#include <fmt/format.h>

namespace muster::cli {
namespace {

/// As far as the text is JSON; of other text anything.
bool nests_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string && c == '\\') {
      ++at;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '[' || c == '{')) {
      if (++depth > max_json_depth) return true;
    } else if (!in_string && (c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::expected<nlohmann::json, std::string> parse_json(std::string_view text) {
  if (nests_too_deep(text))
    return std::unexpected(fmt::format("this nests deeper than {} levels", max_json_depth));
  // The library takes a zero byte for the end of the text, whatever follows.
  auto value = text.contains('\0') ? nlohmann::json(nlohmann::json::value_t::discarded)
                                   : nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::unexpected("this is not JSON");
  return value;
}

}  // namespace muster::cli
