// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
#include <vector>

#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

std::size_t count(const std::vector<int*>& numbers) { return numbers.size(); }

int main() { pool().submit(some<std::decay_t<decltype(count)>>(), some<std::vector<int*>>()); }
