// SPDX-License-Identifier: MIT
// refused-because: the first argument is not something that can be called
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int main() { pool().submit(some<std::decay_t<int>>(), some<int>()); }
