// SPDX-License-Identifier: MIT
// What regions, parcels and blocks have in common: making a memfd and asking for its seals. No state; any
// thread.
#pragma once

#include "base/file_descriptor.hpp"
#include "ipc/region.hpp"

#include <fcntl.h>

#include <cstdint>
#include <expected>

namespace muster::ipc {

// Names that older headers lack. A kernel that lacks the advice says EINVAL, and the pages come one by one.
inline constexpr int populate_read = 22;
inline constexpr int populate_write = 23;
#ifndef F_SEAL_FUTURE_WRITE
inline constexpr unsigned future_write_seal = 0x0010U;
#else
inline constexpr unsigned future_write_seal = F_SEAL_FUTURE_WRITE;
#endif
// It can neither shrink nor grow.
inline constexpr unsigned fixed_size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

// The failure of the system call that was made last.
system_failure failure_of(const char* call);

// An empty memfd that can be sealed; closed on exec, never executable where the kernel can promise that.
std::expected<base::file_descriptor, system_failure> make_memfd(const char* name);

std::expected<void, system_failure> add_seals(int descriptor, unsigned seals);

// Fails with invalid_argument when the descriptor is not a regular file with at least these seals and this
// size.
std::expected<void, system_failure> check_memfd(int descriptor, unsigned seals, std::uint64_t size);

}  // namespace muster::ipc
