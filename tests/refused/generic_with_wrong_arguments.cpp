// SPDX-License-Identifier: MIT
// refused-because: this generic or overloaded callable cannot be called with the arguments as they arrive
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() {
  const auto add = [](auto x, auto y) { return x + y; };
  muster::detail::check_call<decltype(add), int>();
}
