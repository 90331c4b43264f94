// SPDX-License-Identifier: MIT
// Where libFuzzer meets the one target that it is linked with.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    muster::fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  } catch (const muster::fuzz::broken_promise& broken) {
    std::fprintf(stderr, "broken promise: %s\n", broken.what.c_str());
    std::abort();
  }
  return 0;
}
