// SPDX-License-Identifier: MIT
//
// The main of every test program. A test that uses a process pool is itself the program its workers are made
// from, so muster::init comes first, before GoogleTest reads its arguments or anything starts a thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#if __has_include(<muster/init.hpp>)
#include <muster/init.hpp>
#endif

int main(int argc, char** argv) {
#if __has_include(<muster/init.hpp>)
  ::setenv("MUSTER_TEST_SURROUNDINGS", "yes", 1);  // for tests of what workers inherit
  muster::init(argc, argv);
#endif
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
