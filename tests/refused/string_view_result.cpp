// SPDX-License-Identifier: MIT
// refused-because: the function returns a view
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

std::string_view name(int) { return "cat"; }

int main() { pool().submit(some<std::decay_t<decltype(name)>>(), some<int>()); }
