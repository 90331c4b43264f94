// SPDX-License-Identifier: MIT
// refused-because: this function object can be neither default-constructed nor copied as bytes
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

struct counted {
  explicit counted(int) {}
  counted(const counted&) {}
  int operator()(int x) const { return x; }
};

int main() { muster::detail::check_call<counted, int>(); }
