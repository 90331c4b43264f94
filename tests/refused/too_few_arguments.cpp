// SPDX-License-Identifier: MIT
// refused-because: the number of arguments is not the number of parameters
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int add(int x, int y = 1) { return x + y; }

int main() { pool().submit(some<std::decay_t<decltype(add)>>(), some<int>()); }
