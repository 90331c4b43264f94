// SPDX-License-Identifier: MIT
// refused-because: a span or reference wrapper refers to memory that another process does not have
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

#include <span>
#include <vector>

int total(std::span<const int> numbers) { return numbers[0]; }

int main() { pool().submit(some<std::decay_t<decltype(total)>>(), some<std::vector<int>>()); }
