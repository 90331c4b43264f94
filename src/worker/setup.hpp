// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "ipc/birth.hpp"

// The first thing a freshly forked worker process does: become a clean process that carries nothing of its
// zygote and nothing of the owner but what the birth names. Each is called once, by the only thread of the
// new process, before any code of the user runs.

namespace muster::worker {

// What does not depend on which worker it will be: own process group, dies with the zygote, clean signals, no
// descriptor but 0 to 2 and the report's, which has moved to its fixed number. With the numbers below that
// free, the descriptors that a birth brings arrive where they belong. On failure the process must end.
std::expected<void, ipc::failed_step> stand_by(ipc::worker_inheritance& given);

// Makes the process the worker of this birth: cgroup, name, environment, limits. On success the descriptors
// are in the returned channels. On failure the process is half set up and must end.
std::expected<ipc::worker_channels, ipc::failed_step> set_up(ipc::worker_birth birth,
                                                             ipc::worker_inheritance& given);

// The arguments of the birth, for task code in this process; empty elsewhere. Valid for the life of the
// process.
const std::vector<std::string>& arguments();

}  // namespace muster::worker
