// SPDX-License-Identifier: MIT
// refused-because: a pointer to a member cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

struct photo {
  int width() const { return 3; }
};

int main() { muster::detail::check_call<decltype(&photo::width), photo>(); }
