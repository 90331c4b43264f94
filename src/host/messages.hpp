// SPDX-License-Identifier: MIT
#pragma once

// The lines between a worker and its host, in both protocols: how ours are written, and what theirs mean.
// Pure functions; any thread. What comes from a host is believed only as far as it is checked here.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <muster/host.hpp>
#include <muster/json.hpp>

namespace muster::host {

// What goes beside a call: bytes that follow the line, or memory that the host maps, in which they lie.
struct attachment {
  std::span<const std::byte> bytes;
  struct mapping {
    std::uint64_t block = 0;  // by which the host keeps it mapped; 0: for this call
    std::uint64_t size = 0;   // to map
    std::uint64_t offset = 0;
    bool is_writable = false;
    bool is_sent = false;         // its descriptor comes with the line
    std::uint64_t forgotten = 0;  // a block that need not be kept any more; 0: none
  };
  std::optional<mapping> memory{};
};

// Calls, with the end of the line; the bytes of those `beside` that are in no memory follow it.
std::string call_line(std::uint64_t id, const std::string& module, const std::string& function,
                      std::string_view arguments, std::span<const attachment> beside);
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
  struct announced {
    std::size_t size = 0;               // of the bytes that follow the line
    std::optional<std::size_t> lent{};  // none follow: it is this attachment of the call
    bool operator==(const announced&) const = default;
  };
  std::vector<announced> attachments;
  double fraction = 0;
  std::string text;
};

// The bytes of one answer together; as much as a reply of a worker may have.
inline constexpr std::size_t most_attached = std::size_t{1} << 30U;
inline constexpr std::size_t most_attachments = 65'536;

// What a line says; or why it is no message.
std::expected<message, std::string> read_line(host_protocol protocol, std::string_view line);

}  // namespace muster::host
