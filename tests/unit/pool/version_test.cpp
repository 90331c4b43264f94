// SPDX-License-Identifier: MIT
#include <muster/version.hpp>

#include <gtest/gtest.h>

#include <string>

TEST(version, the_library_and_its_headers_name_the_same_version) {
  const std::string headers = std::to_string(muster::version_major) + "." +
                              std::to_string(muster::version_minor) + "." +
                              std::to_string(muster::version_patch);
  EXPECT_EQ(muster::version(), headers);
}
