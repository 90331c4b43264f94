// SPDX-License-Identifier: MIT
// refused-because: a lambda with captures cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() {
  int offset = 3;
  const auto add = [offset](int x) { return x + offset; };
  pool().submit(some<std::decay_t<decltype(add)>>(), some<int>());
}
