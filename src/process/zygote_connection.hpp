// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"
#include "process/zygote.hpp"

// The owner's main connection to a zygote: one for each program that was named, kept for the life of the
// process. Any thread; a mutex inside. A fork of the owner starts with none, since the parent's zygote
// watches the parent.

namespace muster::process {

// A new line to a zygote.
struct attached_line {
  base::file_descriptor socket;                         // the owner's end
  std::shared_ptr<const base::file_descriptor> zygote;  // pidfd
  pid_t zygote_pid = 0;
};

// nullopt as program: the zygote of this program itself. Blocks, `ready_timeout` at most, when it has to be
// made.
std::expected<void, base::os_error> ensure_zygote(const std::optional<std::string>& program,
                                                  std::chrono::milliseconds ready_timeout);

// Makes the zygote if there is none or it is dead, then a line to it.
std::expected<attached_line, base::os_error> attach_line(const std::optional<std::string>& program,
                                                         std::chrono::milliseconds ready_timeout);

// Makes this program's zygote by a plain fork. Only in a process with one thread.
std::expected<void, base::os_error> fork_zygote(const hooks& functions);

}  // namespace muster::process
