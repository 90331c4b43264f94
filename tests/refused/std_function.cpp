// SPDX-License-Identifier: MIT
// refused-because: a std::function cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

#include <functional>

int main() { pool().submit(some<std::decay_t<std::function<int(int)>>>(), some<int>()); }
