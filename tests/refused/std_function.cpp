// SPDX-License-Identifier: MIT
// refused-because: a std::function cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

#include <functional>

int main() { muster::detail::check_call<std::function<int(int)>, int>(); }
