// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
// SPDX-License-Identifier: MIT
#include <thread>

#include <muster/call.hpp>

void wait_for(std::thread thread) { thread.join(); }

int main() { muster::detail::check_call<decltype(wait_for), std::thread>(); }
