// SPDX-License-Identifier: MIT
// refused-because: the function returns a pointer
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int* make(int x) { return new int(x); }

int main() { muster::detail::check_call<decltype(make), int>(); }
