// SPDX-License-Identifier: MIT
// Parcels: payloads too large for a ring, each in a sealed memfd of its own. The sender writes one, sends its
// descriptor over the socket and closes it; the receiver reads it into private memory and closes it. The
// functions have no state; any thread may call them. They block no longer than copying takes.
#pragma once

#include "base/file_descriptor.hpp"
#include "ipc/region.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

namespace muster::ipc {

// Writes a parcel of at most payload_limit bytes (more: file_too_large) and seals it for good.
std::expected<base::file_descriptor, system_failure> write_parcel(std::span<const std::byte> payload);

// Reads a parcel of exactly `to.size()` bytes. The descriptor may come from a stranger: anything but a sealed
// memfd of that size is refused, so that no pipe, device or network file can make the reader wait, and the
// file is read, never mapped, so that no trick with it can raise SIGBUS here.
std::expected<void, system_failure> read_parcel(int descriptor, std::span<std::byte> to);

// The same into memory of its own; `size` over payload_limit is refused before anything is allocated.
std::expected<std::vector<std::byte>, system_failure> read_parcel(int descriptor, std::uint64_t size);

}  // namespace muster::ipc
