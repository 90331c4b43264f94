// SPDX-License-Identifier: MIT
// refused-because: a span or reference wrapper refers to memory that another process does not have
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

#include <functional>

int main() {
  const auto take = [](auto x) { x.get() = 1; };
  muster::detail::check_call<decltype(take), std::reference_wrapper<int>>();
}
