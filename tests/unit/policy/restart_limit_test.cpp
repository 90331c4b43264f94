// SPDX-License-Identifier: MIT
// How often a slot may be filled again.
#include <gtest/gtest.h>

#include "policy/restart_limit.hpp"

namespace muster::policy {
namespace {

constexpr base::time_point begin{1h};

TEST(restart_limit, makes_good_as_many_deaths_as_it_says_and_not_the_next) {
  restart_limit slot;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(slot.may_restart(3, 60s, begin + i * 1s)) << i;
  EXPECT_FALSE(slot.may_restart(3, 60s, begin + 3s));
}

TEST(restart_limit, forgets_deaths_that_are_older_than_the_window) {
  restart_limit slot;
  EXPECT_TRUE(slot.may_restart(2, 60s, begin));
  EXPECT_TRUE(slot.may_restart(2, 60s, begin + 1s));
  EXPECT_TRUE(slot.may_restart(2, 60s, begin + 60s)) << "the first is a window ago";
  EXPECT_FALSE(slot.may_restart(2, 60s, begin + 60s));
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(slot.may_restart(2, 60s, begin + 1h + i * 30s)) << i;
}

TEST(restart_limit, after_a_rest_shorter_than_the_window_one_more_death_is_too_many) {
  restart_limit slot;
  EXPECT_TRUE(slot.may_restart(1, 60s, begin));
  EXPECT_FALSE(slot.may_restart(1, 60s, begin + 1s));
  EXPECT_FALSE(slot.may_restart(1, 60s, begin + 30s));
  EXPECT_TRUE(slot.may_restart(1, 60s, begin + 100s));
}

}  // namespace
}  // namespace muster::policy
