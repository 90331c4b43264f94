// SPDX-License-Identifier: MIT
// refused-because: a function with C variadic arguments (...) cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

#include <cstdio>

int main() { pool().submit(some<std::decay_t<decltype(&std::printf)>>(), some<const char*>()); }
