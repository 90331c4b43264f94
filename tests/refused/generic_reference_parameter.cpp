// SPDX-License-Identifier: MIT
// refused-because: this generic or overloaded callable cannot be called with the arguments as they arrive
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() {
  const auto grow = [](auto& x) { x *= 2; };
  pool().submit(some<std::decay_t<decltype(grow)>>(), some<int&>());
}
