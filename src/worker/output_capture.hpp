// SPDX-License-Identifier: MIT
#pragma once

// While a captured call runs, descriptors 1 and 2 of this process are the owner's pipes. What is buffered in
// stdout and std::cout is written out before and after, so that nothing of one call appears with another.
// Used by the thread that runs calls; all threads of the process print to the same place meanwhile.

#include <vector>

#include "base/file_descriptor.hpp"

namespace muster::worker {

class output_capture {
public:
  // Takes the first two of these to print to. False: it cannot be done, and nothing is changed.
  [[nodiscard]] bool begin(std::vector<base::file_descriptor>& pipes);
  // Back to what was. Does nothing where nothing has begun.
  void end();

private:
  base::file_descriptor usual_out_, usual_err_;  // of the process, while a call is captured
  bool has_begun_ = false;
};

}  // namespace muster::worker
