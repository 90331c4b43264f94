// SPDX-License-Identifier: MIT
// refused-because: the function returns a reference
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

const int& larger(const int& left, const int& right) { return left < right ? right : left; }

int main() { pool().submit(some<std::decay_t<decltype(larger)>>(), some<int>(), some<int>()); }
