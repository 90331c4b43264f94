// SPDX-License-Identifier: MIT
// refused-because: a lambda with captures cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() {
  int sum = 0;
  const auto add = [&](int x) { sum += x; };
  pool().submit(some<std::decay_t<decltype(add)>>(), some<int>());
}
