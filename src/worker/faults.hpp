// SPDX-License-Identifier: MIT
#pragma once

// Carries out the faults that the owner ordered for this worker process (muster/fault.hpp). Written once by
// the only thread of the new process; after that the steps are reached by the threads that run calls.

#include <vector>

#include <muster/fault.hpp>

namespace muster::worker {

class faults {
public:
  static void order(std::vector<fault> ordered);
  // The worker is at this step: what was ordered for it happens now. False: leave out what you are about to
  // send.
  static bool reach(fault_step step) { return !are_ordered || strike(step); }

private:
  static bool strike(fault_step step);
  static inline bool are_ordered = false;
};

}  // namespace muster::worker
