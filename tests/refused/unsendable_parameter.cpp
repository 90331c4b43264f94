// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
// refused-because: List its fields with muster::fields
#include <thread>

#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

void wait_for(std::thread thread) { thread.join(); }

int main() { pool().submit(some<std::decay_t<decltype(wait_for)>>(), some<std::thread>()); }
