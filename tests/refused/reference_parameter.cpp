// SPDX-License-Identifier: MIT
// refused-because: a non-const reference parameter cannot change the caller
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

void grow(int& width) { width *= 2; }

int main() { muster::detail::check_call<decltype(grow), int&>(); }
