// SPDX-License-Identifier: MIT
// refused-because: a lambda with captures cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() {
  int sum = 0;
  const auto add = [&](int x) { sum += x; };
  muster::detail::check_call<decltype(add), int>();
}
