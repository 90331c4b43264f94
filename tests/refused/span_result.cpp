// SPDX-License-Identifier: MIT
// refused-because: the function returns a view
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

std::span<const int> numbers(int) { return {}; }

int main() { muster::detail::check_call<decltype(numbers), int>(); }
