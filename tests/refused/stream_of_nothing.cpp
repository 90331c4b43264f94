// SPDX-License-Identifier: MIT
// refused-because: pool.stream needs a function that takes a muster::yielder<T>& first and names T
#include <muster/pool.hpp>

muster::process_pool& pool();

int count(int) { return 1; }

int main() { (void)pool().stream(count, 1); }
