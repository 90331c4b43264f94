// SPDX-License-Identifier: MIT
// refused-because: the first argument is not something that can be called
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() { muster::detail::check_call<int, int>(); }
