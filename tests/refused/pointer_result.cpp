// SPDX-License-Identifier: MIT
// refused-because: the function returns a pointer
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int* make(int x) { return new int(x); }

int main() { pool().submit(some<std::decay_t<decltype(make)>>(), some<int>()); }
