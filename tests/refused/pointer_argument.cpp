// SPDX-License-Identifier: MIT
// refused-because: a pointer means nothing in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int main() {
  const auto first = [](auto numbers) { return numbers[0]; };
  muster::detail::check_call<decltype(first), int*>();
}
