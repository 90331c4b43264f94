// SPDX-License-Identifier: MIT
#pragma once

// Which memory is lent to a call, as its worker is told: ahead of everything else in the payload, only with
// calls that have any (the flag has_blocks). The owner writes it, the worker reads it.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include <muster/bytes.hpp>

namespace muster::ipc {

struct lent_block {
  // The last of a list may hold the arguments, which then do not follow the list.
  static constexpr std::uint32_t is_kept = 1, is_writable = 2, holds_arguments = 4;
  std::uint64_t id = 0;
  std::uint64_t room = 0;  // bytes that may be named
  std::uint64_t size = 0;  // bytes to map
  std::uint64_t flags = 0;
};

// The whole payload: these, then the rest.
inline std::vector<std::byte> with_list(std::span<const lent_block> blocks, std::span<const std::byte> rest) {
  std::vector<std::byte> all(1 + blocks.size_bytes() + rest.size());
  all[0] = static_cast<std::byte>(blocks.size());
  std::memcpy(all.data() + 1, blocks.data(), blocks.size_bytes());
  if (!rest.empty()) std::memcpy(all.data() + 1 + blocks.size_bytes(), rest.data(), rest.size());
  return all;
}

// Takes it off the front of a payload. None where it is not whole.
inline std::optional<std::vector<lent_block>> take_list(std::span<const std::byte>& payload) {
  if (payload.empty()) return std::nullopt;
  std::vector<lent_block> blocks(static_cast<std::size_t>(payload[0]));
  payload = payload.subspan(1);
  const std::size_t bytes = blocks.size() * sizeof(lent_block);
  if (blocks.size() > detail::max_handles + 1 || bytes > payload.size()) return std::nullopt;
  if (bytes > 0) std::memcpy(blocks.data(), payload.data(), bytes);
  payload = payload.subspan(bytes);
  return blocks;
}

}  // namespace muster::ipc
