// SPDX-License-Identifier: MIT
// refused-because: a function object with data members cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

struct scale {
  int factor = 2;
  int operator()(int x) const { return x * factor; }
};

int main() { muster::detail::check_call<scale, int>(); }
