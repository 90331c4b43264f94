// SPDX-License-Identifier: MIT
// refused-because: this cannot be called with these arguments
// refused-with: 1
#include <string>
#include <vector>

#include <muster/pool.hpp>

muster::thread_pool& pool();
int length(const std::string& text) { return static_cast<int>(text.size()); }

int main() {
  for (const int x : pool().map(length, std::vector<int>{1, 2})) return x;
}
