// SPDX-License-Identifier: MIT
// Whom to blame for the deaths of workers, in virtual time.
#include <gtest/gtest.h>

#include "policy/quarantine.hpp"

namespace muster::policy {
namespace {

struct quarantines : testing::Test {
  // As the plan hears of it: the task first, then the worker.
  void dies(const std::string& who, int alive) {
    if (!who.empty()) q.blame(who, now);
    q.worker_died(alive, now);
  }
  quarantine_options options{.deaths = 3, .window = 1h, .mass_within = 100ms};
  quarantine q{options};
  base::time_point now{1h};
};

TEST_F(quarantines, find_guilty_who_was_there_at_as_many_deaths_as_they_say) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(q.is_guilty("poison", now)) << i;
    dies("poison", 4);
    now += 1s;
  }
  EXPECT_TRUE(q.is_guilty("poison", now));
  EXPECT_FALSE(q.is_guilty("another", now));
  q.forgive("poison");
  EXPECT_FALSE(q.is_guilty("poison", now));
}

// R18
TEST_F(quarantines, blame_nobody_where_more_than_half_of_the_workers_die_together) {
  for (int i = 0; i < 2; ++i) {
    dies("suspect", 4);
    now += 1s;
  }
  for (int i = 0; i < 4; ++i) {
    dies(i == 0 ? "suspect" : "bystander", 4 - i);
    now += 10ms;
  }
  now += 1s;
  EXPECT_FALSE(q.is_guilty("suspect", now));
  dies("suspect", 4);
  now += 1s;
  EXPECT_TRUE(q.is_guilty("suspect", now)) << "the others still count";
}

TEST_F(quarantines, know_a_mass_by_all_who_die_within_a_moment_of_each_other_and_by_how_many_there_were) {
  for (int i = 0; i < 3; ++i) {  // two of four is not more than half
    q.blame("poison", now);
    dies("", 4);
    dies("", 3);
    now += 1s;
  }
  EXPECT_TRUE(q.is_guilty("poison", now));
  for (int i = 0; i < 3; ++i) {  // a mass that goes on for longer than the moment
    q.blame("bystander", now);
    for (int n = 0; n < 8; ++n) {
      dies("", 2);
      now += 60ms;
    }
    q.blame("bystander", now - 60ms);
  }
  now += 1s;
  EXPECT_FALSE(q.is_guilty("bystander", now));
}

TEST_F(quarantines, one_worker_after_the_other_is_no_mass) {
  for (int i = 0; i < 3; ++i) {
    dies("poison", 2);
    now += 101ms;
  }
  EXPECT_TRUE(q.is_guilty("poison", now));
}

TEST_F(quarantines, forget_deaths_outside_their_window_and_whoever_they_were_blamed_on) {
  dies("poison", 4);
  now += 30min;
  dies("poison", 4);
  now += 31min;
  dies("poison", 4);
  EXPECT_FALSE(q.is_guilty("poison", now));
  now += 1h;
  EXPECT_FALSE(q.is_guilty("poison", now));
  EXPECT_EQ(q.known(), 0u);
}

TEST_F(quarantines, remember_no_more_than_they_have_room_for) {
  for (std::size_t i = 0; i < 3 * quarantine::most; ++i) q.blame("task " + std::to_string(i), now);
  EXPECT_EQ(q.known(), quarantine::most);
}

}  // namespace
}  // namespace muster::policy
