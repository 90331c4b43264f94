// SPDX-License-Identifier: MIT
// refused-because: the function returns a view
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

std::span<const int> numbers(int) { return {}; }

int main() { pool().submit(some<std::decay_t<decltype(numbers)>>(), some<int>()); }
