// SPDX-License-Identifier: MIT
// refused-because: the number of arguments is not the number of parameters
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int add(int x, int y = 1) { return x + y; }

int main() { muster::detail::check_call<decltype(add), int>(); }
