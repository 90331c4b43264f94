// SPDX-License-Identifier: MIT
// refused-because: a lambda with captures cannot be called in another process
// refused-with: 1
#include <vector>

#include <muster/pool.hpp>

muster::process_pool& pool();

int main() {
  const int offset = 3;
  int sum = 0;
  for (const int x : pool().map([&offset](int y) { return y + offset; }, std::vector<int>{1, 2})) sum += x;
  return sum;
}
