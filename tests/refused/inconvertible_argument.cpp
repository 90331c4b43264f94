// SPDX-License-Identifier: MIT
// refused-because: an argument does not convert to the function's parameter
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int half(int x) { return x / 2; }

int main() { muster::detail::check_call<decltype(half), std::string>(); }
