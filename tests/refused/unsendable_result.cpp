// SPDX-License-Identifier: MIT
// refused-because: the result's type cannot cross back from another process
// refused-because: List its fields with muster::fields
#include <thread>

#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

std::thread start(int) { return {}; }

int main() { pool().submit(some<std::decay_t<decltype(start)>>(), some<int>()); }
