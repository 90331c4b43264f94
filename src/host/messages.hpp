// SPDX-License-Identifier: MIT
#pragma once

// The lines between a worker and its host, in both protocols: how ours are written, and what theirs mean.
// Pure functions; any thread. What comes from a host is believed only as far as it is checked here.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <muster/host.hpp>
#include <muster/json.hpp>

namespace muster::host {

// Calls, with the end of the line; the bytes of `arguments` follow it.
std::string call_line(std::uint64_t id, const std::string& module, const std::string& function,
                      const json& arguments);
std::string bazel_line(std::uint64_t id, const std::vector<std::string>& arguments);
std::string cancel_line(host_protocol protocol, std::uint64_t id);

struct thrown {
  std::string type, message, stack;
};

enum class message_kind : unsigned char {
  ready,
  not_ready,  // `error` says why
  answer,     // to the call `id`: `value`, or `error`
  progress,   // of the call `id`
};

struct message {
  message_kind kind = message_kind::answer;
  std::uint64_t id = 0;
  std::string value = "null";  // JSON, checked to be
  std::optional<thrown> error;
  std::vector<std::size_t> attachments;  // sizes of the bytes that follow the line
  double fraction = 0;
  std::string text;
};

// The bytes of one answer together; as much as a reply of a worker may have.
inline constexpr std::size_t most_attached = std::size_t{1} << 30U;
inline constexpr std::size_t most_attachments = 65'536;

// What a line says; or why it is no message.
std::expected<message, std::string> read_line(host_protocol protocol, std::string_view line);

}  // namespace muster::host
