// SPDX-License-Identifier: MIT
// refused-because: map needs a function with a result; use post, then wait_idle.
// refused-with: 1
#include <vector>

#include <muster/pool.hpp>

muster::process_pool& pool();
void nothing(int) {}

int main() {
  for (const int x : pool().map(nothing, std::vector<int>{1, 2})) return x;
}
