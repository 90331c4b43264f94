// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
#include <vector>

#include <muster/pool.hpp>

muster::process_pool& pool();
template <class T>
T some();

struct photo {
  std::vector<int> pixels;
};

std::size_t count(const std::vector<photo>& photos) { return photos.size(); }

int main() { pool().submit(some<std::decay_t<decltype(count)>>(), some<std::vector<photo>>()); }
