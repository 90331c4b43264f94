// SPDX-License-Identifier: MIT
// refused-because: the function returns a view
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

std::string_view name(int) { return "cat"; }

int main() { muster::detail::check_call<decltype(name), int>(); }
