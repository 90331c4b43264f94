// SPDX-License-Identifier: MIT
// refused-because: a pointer means nothing in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int first(const int* numbers) { return *numbers; }

int main() { pool().submit(some<std::decay_t<decltype(first)>>(), some<const int*>()); }
