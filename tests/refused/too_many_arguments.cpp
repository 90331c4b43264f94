// SPDX-License-Identifier: MIT
// refused-because: the number of arguments is not the number of parameters
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int half(int x) { return x / 2; }

int main() { muster::detail::check_call<decltype(half), int, int>(); }
