// SPDX-License-Identifier: MIT
// refused-because: a std::function cannot be called in another process, nor sent to one
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

#include <functional>

int apply(std::function<int(int)> step) { return step(1); }

int main() { pool().submit(some<std::decay_t<decltype(apply)>>(), some<int (&)(int)>()); }
