// SPDX-License-Identifier: MIT
#include "base/spin.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace muster::base {
namespace {

using namespace std::chrono_literals;

// A partner whom no test ever meets.
struct far_away {
  cpu_word cpu{1'000'000};
};

TEST(spin, ends_as_soon_as_there_is_what_it_looks_for) {
  const far_away partner;
  int looks = 0;
  EXPECT_TRUE(spin(1h, partner.cpu, [&] { return ++looks == 1'000; }));
  EXPECT_EQ(looks, 1'000);
}

TEST(spin, ends_when_its_time_is_over) {
  const far_away partner;
  EXPECT_FALSE(spin(1ms, partner.cpu, [] { return false; }));
}

TEST(spin, does_not_begin_where_nobody_knows_where_the_partner_is) {
  const cpu_word unknown{0};
  int looks = 0;
  EXPECT_FALSE(spin(1h, unknown, [&] { return ++looks > 1; }));
  EXPECT_EQ(looks, 1);
}

TEST(spin, ends_when_the_partner_is_on_the_same_cpu) {
  cpu_word here{0};
  std::thread([&] {  // a thread of its own, which stays where it is
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    note_cpu(here);
    EXPECT_FALSE(is_elsewhere(here));
    int looks = 0;
    EXPECT_FALSE(spin(1h, here, [&] { return ++looks > 1; }));
    cpu_word moving{1'000'000};
    EXPECT_FALSE(spin(1h, moving, [&] {
      moving.store(here.load());
      return false;
    }));
  })
      .join();
}

}  // namespace
}  // namespace muster::base
