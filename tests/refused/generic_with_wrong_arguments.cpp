// SPDX-License-Identifier: MIT
// refused-because: this generic or overloaded callable cannot be called with the arguments as they arrive
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() {
  const auto add = [](auto x, auto y) { return x + y; };
  pool().submit(some<std::decay_t<decltype(add)>>(), some<int>());
}
