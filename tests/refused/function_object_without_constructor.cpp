// SPDX-License-Identifier: MIT
// refused-because: this function object can be neither default-constructed nor copied as bytes
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

struct counted {
  explicit counted(int) {}
  counted(const counted&) {}
  int operator()(int x) const { return x; }
};

int main() { pool().submit(some<std::decay_t<counted>>(), some<int>()); }
