// SPDX-License-Identifier: MIT
#include "pool/trace.hpp"

namespace muster {

trace_context current_trace() {
  const trace_context* const here = pool::trace_here();
  return here != nullptr ? *here : trace_context();
}

}  // namespace muster
