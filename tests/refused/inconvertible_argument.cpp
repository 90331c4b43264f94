// SPDX-License-Identifier: MIT
// refused-because: an argument does not convert to the function's parameter
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

int half(int x) { return x / 2; }

int main() { pool().submit(some<std::decay_t<decltype(half)>>(), some<std::string>()); }
