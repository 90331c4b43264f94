// SPDX-License-Identifier: MIT
// refused-because: a lambda with captures cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() {
  int offset = 3;
  const auto add = [offset](int x) { return x + offset; };
  muster::detail::check_call<decltype(add), int>();
}
