// SPDX-License-Identifier: MIT
//
// A module with a mistake in its list.
#include <muster/module.hpp>

MUSTER_MODULE(m) {
  m.version("3");
  m.add("twice", [](int x) { return 2 * x; });
  m.add("twice", [](double x) { return 2 * x; });
}
