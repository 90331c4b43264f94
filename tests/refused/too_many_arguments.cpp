// SPDX-License-Identifier: MIT
// refused-because: the number of arguments is not the number of parameters
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int half(int x) { return x / 2; }

int main() { pool().submit(some<std::decay_t<decltype(half)>>(), some<int>(), some<int>()); }
