// SPDX-License-Identifier: MIT
// refused-because: a function object with data members cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

struct scale {
  int factor = 2;
  int operator()(int x) const { return x * factor; }
};

int main() { pool().submit(some<std::decay_t<scale>>(), some<int>()); }
