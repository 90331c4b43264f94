// SPDX-License-Identifier: MIT
#pragma once

// Carries out the faults that the owner ordered for this worker process (muster/fault.hpp). Written once by
// the only thread of the new process; after that each step is reached by one thread, the worker's main one.

#include <vector>

#include <muster/fault.hpp>

namespace muster::worker {

void order_faults(std::vector<fault> ordered);

namespace detail {
extern bool has_faults;
bool strike(fault_step step);
}  // namespace detail

// The worker is at this step: what was ordered for it happens now. False: leave out what you are about to
// send.
inline bool reach(fault_step step) { return !detail::has_faults || detail::strike(step); }

}  // namespace muster::worker
