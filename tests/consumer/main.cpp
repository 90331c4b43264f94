// SPDX-License-Identifier: MIT
//
// What a user of the library begins with: it prints the version it is linked with.
#include <muster/version.hpp>

#include <iostream>

int main() {
  std::cout << muster::version() << '\n';
  return 0;
}
