// SPDX-License-Identifier: MIT
// refused-because: a span or reference wrapper refers to memory that another process does not have
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

#include <span>
#include <vector>

int total(std::span<const int> numbers) { return numbers[0]; }

int main() { muster::detail::check_call<decltype(total), std::vector<int>>(); }
