// SPDX-License-Identifier: MIT
// What the tests of the rings share: both ends of a pair of rings in plain memory, and bytes to send. One
// test owns one pair; its two ends may be used by two threads, as two processes would use them.
#pragma once

#include "ipc/reply_ring.hpp"
#include "ipc/request_ring.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace muster::ipc::test {

struct small_sizes {
  static constexpr std::size_t slot_count = 4;
  static constexpr std::size_t request_inline = 8;
  static constexpr std::size_t reply_inline = 8;
  static constexpr std::size_t byte_ring = 128;  // payloads up to 32 bytes
};

template <class Sizes>
struct ring_pair {
  std::unique_ptr<basic_request_region<machine_atomics, Sizes>> requests =
      std::make_unique<basic_request_region<machine_atomics, Sizes>>();
  std::unique_ptr<basic_reply_region<machine_atomics, Sizes>> replies =
      std::make_unique<basic_reply_region<machine_atomics, Sizes>>();
  basic_request_sender<machine_atomics, Sizes> calls_out{*requests, *replies};
  basic_request_receiver<machine_atomics, Sizes> calls_in{*requests, *replies};
  basic_reply_sender<machine_atomics, Sizes> replies_out{*requests, *replies};
  basic_reply_receiver<machine_atomics, Sizes> replies_in{
      *requests, *replies, {.max_status = 3, .max_parcel = 1000}};

  // Prepares and hands over a call whose payload needs no parcel.
  std::optional<std::uint64_t> call(std::uint64_t task, std::span<const std::byte> payload = {}) {
    const auto made = calls_out.prepare({.task = task}, payload);
    if (!made) return std::nullopt;
    calls_out.hand_over(made->position);
    return made->position;
  }

  // Takes a reply and its payload, whatever its position.
  taken_reply take(std::vector<std::byte>& payload) {
    return replies_in.take([&](const reply& r) -> std::optional<std::span<std::byte>> {
      payload.assign(r.payload == carrier::parcel ? 0 : r.size, std::byte{0});
      return std::span<std::byte>(payload);
    });
  }
};

inline std::vector<std::byte> some_bytes(std::size_t count, std::uint64_t seed) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(seed * 31 + i * 7 + (i >> 8));
  return bytes;
}

inline std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace muster::ipc::test
