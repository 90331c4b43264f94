// SPDX-License-Identifier: MIT
// What regions and parcels have in common: making a memfd and asking for its seals. No state; any thread.
#pragma once

#include "base/file_descriptor.hpp"
#include "ipc/region.hpp"

#include <cstdint>
#include <expected>

namespace muster::ipc {

// The failure of the system call that was made last.
system_failure failure_of(const char* call);

// An empty memfd that can be sealed; closed on exec, never executable where the kernel can promise that.
std::expected<base::file_descriptor, system_failure> make_memfd(const char* name);

std::expected<void, system_failure> add_seals(int descriptor, unsigned seals);

// Fails with invalid_argument when the descriptor is not a regular file with at least these seals and this
// size.
std::expected<void, system_failure> check_memfd(int descriptor, unsigned seals, std::uint64_t size);

}  // namespace muster::ipc
