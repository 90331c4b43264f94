// SPDX-License-Identifier: MIT
#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace muster::base {
namespace {

TEST(the_clock, says_lately_what_it_was_a_little_ago) {
  const steady_clock clock;
  for (int i = 0; i < 10'000; ++i) {
    const time_point before = clock.now();
    const time_point lately = clock.lately();
    ASSERT_LE(lately, clock.now());
    ASSERT_GT(lately, before - std::chrono::seconds(1));
  }
}

}  // namespace
}  // namespace muster::base
