// SPDX-License-Identifier: MIT
#pragma once

// What a worker process is told about a call beside its arguments: how its submitter calls it, and the trace
// it belongs to. It goes ahead of the arguments in the same payload, only with calls that have any of it (the
// flag has_about). The owner writes it, the worker reads it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::ipc {

// The longest id that a worker is told; more is cut.
inline constexpr std::size_t longest_told_id = 1'024;

struct call_about {
  std::string id{}, label{}, traceparent{}, tracestate{};
};

inline void put(std::vector<std::byte>& to, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  const std::size_t at = to.size();
  to.resize(at + sizeof(size) + text.size());
  std::memcpy(to.data() + at, &size, sizeof(size));
  if (!text.empty()) std::memcpy(to.data() + at + sizeof(size), text.data(), text.size());
}

// The whole payload: this, then the arguments.
inline std::vector<std::byte> with_about(std::string_view id, std::string_view label,
                                         std::string_view traceparent, std::string_view tracestate,
                                         std::span<const std::byte> arguments) {
  std::vector<std::byte> all;
  all.reserve(arguments.size() + id.size() + label.size() + traceparent.size() + tracestate.size() + 16);
  for (const std::string_view each : {id.substr(0, longest_told_id), label, traceparent, tracestate})
    put(all, each);
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

// Takes it off the front of a payload. None where it is not whole.
inline std::optional<call_about> take_about(std::span<const std::byte>& payload) {
  call_about about;
  for (std::string* each : {&about.id, &about.label, &about.traceparent, &about.tracestate}) {
    std::uint32_t size = 0;
    if (payload.size() < sizeof(size)) return std::nullopt;
    std::memcpy(&size, payload.data(), sizeof(size));
    payload = payload.subspan(sizeof(size));
    if (payload.size() < size) return std::nullopt;
    each->assign(reinterpret_cast<const char*>(payload.data()), size);
    payload = payload.subspan(size);
  }
  return about;
}

}  // namespace muster::ipc
