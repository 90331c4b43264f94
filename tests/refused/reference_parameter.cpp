// SPDX-License-Identifier: MIT
// refused-because: a non-const reference parameter cannot change the caller
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

void grow(int& width) { width *= 2; }

int main() { pool().submit(some<std::decay_t<decltype(grow)>>(), some<int&>()); }
