// SPDX-License-Identifier: MIT
//
// A module that fails while it is loaded.
#include <muster/module.hpp>

#include <stdexcept>

MUSTER_MODULE(m) {
  m.add("never", [](int x) { return x; });
  throw std::runtime_error("the licence has expired");
}
