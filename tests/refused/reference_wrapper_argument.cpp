// SPDX-License-Identifier: MIT
// refused-because: a span or reference wrapper refers to memory that another process does not have
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

#include <functional>

int main() {
  const auto take = [](auto x) { x.get() = 1; };
  pool().submit(some<std::decay_t<decltype(take)>>(), some<std::reference_wrapper<int>>());
}
