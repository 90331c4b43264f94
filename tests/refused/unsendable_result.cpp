// SPDX-License-Identifier: MIT
// refused-because: the result's type cannot cross back from another process
// SPDX-License-Identifier: MIT
#include <thread>

#include <muster/call.hpp>

std::thread start(int) { return {}; }

int main() { muster::detail::check_call<decltype(start), int>(); }
