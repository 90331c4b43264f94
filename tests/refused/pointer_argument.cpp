// SPDX-License-Identifier: MIT
// refused-because: a pointer means nothing in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() {
  const auto first = [](auto numbers) { return numbers[0]; };
  pool().submit(some<std::decay_t<decltype(first)>>(), some<int*>());
}
