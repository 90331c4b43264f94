// SPDX-License-Identifier: MIT
// refused-because: the function returns a reference
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

const int& larger(const int& left, const int& right) { return left < right ? right : left; }

int main() { muster::detail::check_call<decltype(larger), int, int>(); }
