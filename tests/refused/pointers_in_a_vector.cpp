// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
// SPDX-License-Identifier: MIT
#include <vector>

#include <muster/call.hpp>

std::size_t count(const std::vector<int*>& numbers) { return numbers.size(); }

int main() { muster::detail::check_call<decltype(count), std::vector<int*>>(); }
