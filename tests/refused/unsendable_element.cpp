// SPDX-License-Identifier: MIT
// refused-because: a parameter's type cannot cross into another process
// SPDX-License-Identifier: MIT
#include <vector>

#include <muster/call.hpp>

struct photo {
  std::vector<int> pixels;
};

std::size_t count(const std::vector<photo>& photos) { return photos.size(); }

int main() { muster::detail::check_call<decltype(count), std::vector<photo>>(); }
