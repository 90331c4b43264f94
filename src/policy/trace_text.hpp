// SPDX-License-Identifier: MIT
#pragma once

// Whether the two values of a W3C trace context are what they should be. Pure.

#include <algorithm>
#include <string_view>

namespace muster::policy {

inline constexpr std::size_t longest_traceparent = 256, longest_tracestate = 512, most_trace_entries = 32;

constexpr bool is_lower_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// An id of so many digits, which is not zero.
constexpr bool is_trace_id(std::string_view text) {
  return is_lower_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

constexpr bool is_traceparent(std::string_view text) {
  constexpr std::size_t usual = 55;
  if (text.size() < usual || text.size() > longest_traceparent) return false;
  const std::string_view version = text.substr(0, 2);
  if (!is_lower_hex(version) || version == "ff") return false;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (!is_trace_id(text.substr(3, 32)) || !is_trace_id(text.substr(36, 16))) return false;
  if (!is_lower_hex(text.substr(53, 2))) return false;
  return text.size() == usual || (version != "00" && text[usual] == '-');
}

// One entry of a tracestate, without the spaces around it.
constexpr bool is_trace_entry(std::string_view entry) {
  const std::size_t equals = entry.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = entry.substr(0, equals), value = entry.substr(equals + 1);
  const auto may_begin = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto may_follow = [&](char c) {
    return may_begin(c) || std::string_view("_-*/@").find(c) != std::string_view::npos;
  };
  const auto may_be_in_value = [](char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; };
  return !key.empty() && key.size() <= 256 && may_begin(key.front()) &&
         std::ranges::all_of(key, may_follow) && !value.empty() && value.size() <= 256 &&
         std::ranges::all_of(value, may_be_in_value);
}

constexpr bool is_tracestate(std::string_view text) {
  if (text.size() > longest_tracestate) return false;
  std::size_t entries = 0;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    std::string_view entry = text.substr(0, comma);
    text.remove_prefix(more ? comma + 1 : text.size());
    const std::size_t first = entry.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;  // the standard allows an empty one
    entry = entry.substr(first, entry.find_last_not_of(" \t") - first + 1);
    if (!is_trace_entry(entry) || ++entries > most_trace_entries) return false;
  }
  return true;
}

}  // namespace muster::policy
