// SPDX-License-Identifier: MIT
#pragma once

// The worker's side of muster/this_worker.hpp: where what tasks say goes.

#include <string_view>

#include "ipc/vital_signs.hpp"

namespace muster::worker {

// Called once, before any code of the user's; from here on what tasks say goes there, until the process ends.
void begin_listening(ipc::vital_signs& signs);

// A task has said that the worker shall end, and why. Any thread.
[[nodiscard]] bool is_leaving() noexcept;
[[nodiscard]] std::string_view why_leaving() noexcept;  // once it is

}  // namespace muster::worker
