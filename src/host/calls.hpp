// SPDX-License-Identifier: MIT
#pragma once

// The functions that a host_pool gives its workers as `init` and `close`.

namespace muster::host {

void begin_host();
void end_host();

}  // namespace muster::host
