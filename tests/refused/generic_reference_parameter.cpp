// SPDX-License-Identifier: MIT
// refused-because: this generic or overloaded callable cannot be called with the arguments as they arrive
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() {
  const auto grow = [](auto& x) { x *= 2; };
  muster::detail::check_call<decltype(grow), int&>();
}
