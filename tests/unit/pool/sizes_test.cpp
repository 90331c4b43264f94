// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <muster/sizes.hpp>

#include "pool/usable_cpus.hpp"

namespace muster::test {
namespace {

TEST(sizes, are_the_rules_of_thumb) {
  EXPECT_EQ(sizes::cpu(8), 8);
  EXPECT_EQ(sizes::cpu_but_one(8), 7);
  EXPECT_EQ(sizes::io(8), 16);
  EXPECT_EQ(sizes::io(8, 10), 80);
  EXPECT_EQ(sizes::mixed(8), 16);
  EXPECT_EQ(sizes::memory(8), 4);
  EXPECT_EQ(sizes::short_tasks(8), 4);
  EXPECT_EQ(sizes::short_tasks(7), 3);
}

TEST(sizes, are_sensible_on_small_and_on_huge_machines) {
  EXPECT_EQ(sizes::cpu_but_one(1), 1);
  EXPECT_EQ(sizes::memory(1), 2);
  EXPECT_EQ(sizes::short_tasks(2), 2);
  EXPECT_EQ(sizes::cpu(0), 1);
  EXPECT_EQ(sizes::io(4'000, 10), 4'096);
}

TEST(sizes, take_the_usable_cpus_where_none_are_given) {
  EXPECT_EQ(sizes::cores(), pool::usable_cpus());
  EXPECT_EQ(sizes::cpu(), pool::usable_cpus());
  EXPECT_EQ(sizes::io(), 2 * pool::usable_cpus());
}

}  // namespace
}  // namespace muster::test
