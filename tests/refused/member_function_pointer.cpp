// SPDX-License-Identifier: MIT
// refused-because: a pointer to a member cannot be called in another process
#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

struct photo {
  int width() const { return 3; }
};

int main() { pool().submit(some<std::decay_t<decltype(&photo::width)>>(), some<photo>()); }
