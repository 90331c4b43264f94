// SPDX-License-Identifier: MIT
// Which worker each strategy chooses: exact counts where there is nothing to chance.
#include "policy/choose.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string>

#include <muster/error.hpp>

#include "kit/pools.hpp"

namespace muster::policy {
namespace {

using wanted = std::optional<std::size_t>;

// Workers that do nothing but pile up what they are handed.
class crowd {
public:
  crowd(std::size_t workers, strategy how, const choose_options& chosen = {}, std::uint64_t seed = 1)
      : loads(workers, load{.open = true}), memory(how, chosen, seed) {}
  wanted hand() {
    const wanted chosen = choose(loads, memory);
    if (chosen) ++loads[*chosen].in_flight;
    return chosen;
  }
  std::vector<std::size_t> hand(int tasks) {
    std::vector<std::size_t> got(loads.size());
    for (int i = 0; i < tasks; ++i)
      if (const wanted chosen = hand()) ++got[*chosen];
    return got;
  }
  std::string order(int tasks) {
    std::string text;
    for (int i = 0; i < tasks; ++i) text += static_cast<char>('a' + *hand());
    return text;
  }
  std::vector<load> loads;
  chooser_memory memory;
};
using counts = std::vector<std::size_t>;

TEST(choose, only_pull_and_fewest_never_prefer_a_busy_worker_to_one_that_is_free) {
  for (const named_strategy& each : strategies())
    EXPECT_EQ(chooser_memory(each.how, {}, 1).may_prefer_busy(), each.name != "pull" && each.name != "fewest")
        << each.name;
}

TEST(choose, nobody_when_none_is_open) {
  for (const named_strategy& each : strategies()) {
    crowd closed(2, each.how);
    closed.loads = {{.open = false, .stays = true}, {.open = false}};
    for (const std::uint64_t key : {0u, 7u}) {
      closed.memory.key = key;
      EXPECT_EQ(closed.hand(), std::nullopt) << each.name;
      closed.loads.clear();
      EXPECT_EQ(closed.hand(), std::nullopt) << each.name << " of none at all";
    }
  }
}

TEST(choose, nobody_who_is_not_open) {
  for (const named_strategy& each : strategies()) {
    crowd some(5, each.how);
    some.loads[0].open = some.loads[3].open = false;
    for (int i = 0; i < 100; ++i) {
      some.memory.key = static_cast<std::uint64_t>(i);
      const wanted chosen = some.hand();
      ASSERT_TRUE(chosen.has_value()) << each.name;
      EXPECT_TRUE(some.loads[*chosen].open) << each.name;
    }
  }
}

TEST(choose, strategies_are_known_by_their_names) {
  for (const named_strategy& each : strategies()) {
    EXPECT_EQ(strategy_named(each.name), each.how);
    EXPECT_EQ(name(each.how), each.name);
  }
  EXPECT_EQ(name(static_cast<strategy>(200)), "");
}

TEST(choose, a_name_that_is_none_is_an_error_that_lists_the_known_ones) {
  try {
    (void)strategy_named("least_busy");
    FAIL() << "it is none";
  } catch (const invalid_options& e) {
    EXPECT_NE(std::string(e.what()).find("'least_busy' is no strategy"), std::string::npos) << e.what();
    for (const named_strategy& each : strategies())
      EXPECT_NE(std::string(e.what()).find(each.name), std::string::npos) << each.name;
  }
}

TEST(choose, round_robin_goes_in_laps_and_skips_who_is_not_open) {
  crowd some(4, strategy::round_robin);
  some.loads[1].open = false;
  some.loads[0].in_flight = 9;
  EXPECT_EQ(some.order(9), "acdacdacd");
}

TEST(choose, round_robin_survives_a_crew_that_shrinks_and_grows) {
  crowd some(2, strategy::round_robin);
  some.memory.cursor = 7;
  EXPECT_EQ(some.order(2), "ba");
  some.loads.resize(4, load{.open = true});
  EXPECT_EQ(some.order(4), "bcda");
  some.loads.resize(1);
  EXPECT_EQ(some.order(2), "aa");
}

TEST(choose, fewest_takes_the_emptiest_and_ties_go_to_the_lowest_slot) {
  for (const strategy how : {strategy::fewest, strategy::pull}) {
    crowd some(4, how);
    some.loads = {{true, 3}, {true, 1}, {true, 1}, {false, 0}};
    EXPECT_EQ(some.order(6), "bcbcab");
  }
}

TEST(choose, fewest_served_makes_the_counts_equal) {
  crowd some(3, strategy::fewest_served);
  some.loads[0].in_flight = 50;  // means nothing to it
  EXPECT_EQ(some.order(6), "abcabc");
  some.loads[1].open = false;
  EXPECT_EQ(some.hand(10), (counts{5, 0, 5}));
  some.loads[1].open = true;
  EXPECT_EQ(some.order(5), "bbbbb") << "it catches up, since it was there all the time";
}

// T24: by a count that begins at 0 a new worker would get everything until it has caught up.
TEST(choose, fewest_served_lets_a_new_worker_begin_at_the_fewest_of_the_others) {
  crowd some(2, strategy::fewest_served);
  some.hand(200);
  some.loads.push_back({.open = true});
  EXPECT_EQ(some.hand(30), (counts{10, 10, 10}));
  some.loads[0].generation = 2;  // another worker in the same slot
  EXPECT_EQ(some.hand(30), (counts{10, 10, 10}));
  some.loads[1] = {.open = false, .stays = false};  // it is gone, and no measure for a new one
  some.loads.push_back({.open = true});
  EXPECT_EQ(some.hand(30), (counts{10, 0, 10, 10}));
}

TEST(choose, weighted_gives_each_its_weight_in_the_first_lap_and_in_all_and_mixes_them) {
  crowd some(3, strategy::weighted, {.weights = {5, 1, 1}});
  for (int lap = 0; lap < 3; ++lap) EXPECT_EQ(some.order(7), "aabacaa") << lap;
  crowd others(3, strategy::weighted, {.weights = {3, 2, 1}});
  EXPECT_EQ(others.hand(600), (counts{300, 200, 100}));
}

// T32: an empty list and weights that are all 0 are no errors, and nobody is chosen.
TEST(choose, weighted_never_chooses_a_weight_of_0_and_nobody_when_there_are_no_others) {
  crowd some(3, strategy::weighted, {.weights = {0, 2, 1}});
  EXPECT_EQ(some.hand(300), (counts{0, 200, 100}));
  crowd none(2, strategy::weighted, {.weights = {0, 0}});
  EXPECT_EQ(none.hand(), std::nullopt);
  none.loads.push_back({.open = true});
  EXPECT_EQ(none.hand(), wanted(2)) << "slots beyond have weight 1";
}

TEST(choose, weighted_keeps_the_proportion_of_those_that_are_open) {
  crowd some(3, strategy::weighted, {.weights = {4, 2, 2}});
  some.hand(5);
  some.loads[0].open = false;
  EXPECT_EQ(some.hand(100), (counts{0, 50, 50}));
  some.loads[0].open = true;
  const counts after = some.hand(80);
  EXPECT_NEAR(static_cast<double>(after[0]), 40, 4) << "it has no claim on what it missed";
}

// T38: the next one is worker 1, not whoever has the fewest.
TEST(choose, fill_fills_one_worker_after_the_other) {
  EXPECT_EQ(crowd(5, strategy::fill).hand(25), (counts{10, 10, 5, 0, 0}));
  EXPECT_EQ(crowd(5, strategy::fill).hand(55), (counts{11, 11, 11, 11, 11}));
  EXPECT_EQ(crowd(3, strategy::fill, {.full = 2}).order(9), "aabbccabc");
}

TEST(choose, fill_goes_back_to_a_lower_slot_that_is_no_longer_full) {
  crowd some(3, strategy::fill, {.full = 2});
  some.hand(5);
  some.loads[0].in_flight = 1;
  EXPECT_EQ(some.order(2), "ac");
}

// Pearson's test: the sum over all cells is above this once in a million for 9 degrees of freedom.
constexpr double too_uneven = 45;

TEST(choose, random_is_uniform_over_those_that_are_open) {
  const std::uint64_t seed = test::seed_of_test();
  crowd some(12, strategy::random, {}, seed);
  some.loads[0].open = some.loads[7].open = false;
  const counts got = some.hand(10'000);
  double sum = 0;
  for (std::size_t at = 0; at < got.size(); ++at) {
    if (!some.loads[at].open) continue;
    const double off = static_cast<double>(got[at]) - 1'000;
    sum += off * off / 1'000;
  }
  EXPECT_LT(sum, too_uneven);
  EXPECT_GT(sum, 0.0) << "chance does not deal evenly";
}

TEST(choose, two_choices_is_far_more_even_than_random) {
  const std::uint64_t seed = test::seed_of_test();
  const auto spread = [seed](strategy how) {
    const counts got = crowd(50, how, {}, seed).hand(5'000);
    const auto [least, most] = std::ranges::minmax(got);
    return most - least;
  };
  EXPECT_LE(spread(strategy::two_choices), 8u);
  EXPECT_GE(spread(strategy::random), 20u);
}

TEST(choose, two_choices_never_takes_the_fuller_of_two) {
  crowd two(2, strategy::two_choices);
  two.loads[1].in_flight = 30;
  EXPECT_EQ(two.hand(30), (counts{30, 0}));
}

// The worker of each of so many keys.
std::vector<std::size_t> of_keys(crowd& some, int keys) {
  std::vector<std::size_t> chosen;
  for (int i = 0; i < keys; ++i) {
    some.memory.key = key_of("key " + std::to_string(i));
    chosen.push_back(*choose(some.loads, some.memory));
  }
  return chosen;
}

TEST(choose, by_key_spreads_keys_and_keeps_each_where_it_is) {
  for (const affinity how : {affinity::soft, affinity::hard}) {
    crowd some(4, strategy::key, {.affinity = how});
    const auto first = of_keys(some, 1'000);
    for (std::size_t at = 0; at < 4; ++at)
      EXPECT_NEAR(static_cast<double>(std::ranges::count(first, at)), 250, 75);
    EXPECT_EQ(of_keys(some, 1'000), first);
  }
}

TEST(choose, by_key_moves_only_the_keys_of_a_worker_that_comes_or_goes) {
  crowd some(4, strategy::key, {.affinity = affinity::hard});
  const auto of_four = of_keys(some, 1'000);
  some.loads.push_back({.open = true});
  const auto of_five = of_keys(some, 1'000);
  for (std::size_t i = 0; i < 1'000; ++i)
    EXPECT_TRUE(of_five[i] == of_four[i] || of_five[i] == 4) << "key " << i;
  some.loads[4] = some.loads[2] = {};
  const auto of_three = of_keys(some, 1'000);
  for (std::size_t i = 0; i < 1'000; ++i)
    EXPECT_EQ(of_three[i] == of_four[i], of_four[i] != 2) << "key " << i;
}

TEST(choose, by_key_softly_leaves_a_worker_that_has_more_than_its_share) {
  crowd some(4, strategy::key);
  some.memory.key = key_of("popular");
  const counts got = some.hand(1'000);
  EXPECT_LE(std::ranges::max(got), 314u) << "1.25 times 250, and one";
  some.loads = std::vector<load>(4, load{.open = true});
  const std::size_t home = *some.hand();
  for (load& each : some.loads) each.in_flight = 10;
  EXPECT_EQ(some.hand(), wanted(home)) << "13 would be its share of 41, by 1.25";
  some.loads[home].in_flight = 20;
  EXPECT_NE(some.hand(), wanted(home));
}

TEST(choose, by_key_firmly_waits_for_a_worker_that_is_busy_or_comes_up) {
  crowd some(4, strategy::key, {.affinity = affinity::hard});
  some.memory.key = key_of("mine");
  const std::size_t home = *some.hand();
  some.loads[home] = {.open = false, .in_flight = 9, .stays = true};
  EXPECT_EQ(some.hand(), std::nullopt);
  some.loads[home].stays = false;
  const wanted other = some.hand();
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(*other, home);
}

TEST(choose, a_task_without_a_key_goes_to_the_emptiest) {
  crowd some(3, strategy::key, {.affinity = affinity::hard});
  some.loads[0].in_flight = 2;
  EXPECT_EQ(some.order(4), "bcbc");
  EXPECT_EQ(key_of(""), 0u);
  EXPECT_NE(key_of("a"), key_of("b"));
}

TEST(choose, only_hard_keys_and_weights_bind_tasks_to_workers) {
  const choose_options hard{.affinity = affinity::hard}, weighed{.weights = {0, 1}};
  EXPECT_TRUE(chooser_memory(strategy::key, hard, 1).is_hard());
  EXPECT_FALSE(chooser_memory(strategy::key, {}, 1).is_hard());
  EXPECT_FALSE(chooser_memory(strategy::fewest, hard, 1).is_hard());
  EXPECT_TRUE(chooser_memory(strategy::weighted, weighed, 1).binds());
  EXPECT_FALSE(chooser_memory(strategy::weighted, weighed, 1).may_steal(0)) << "its weight is 0";
  EXPECT_TRUE(chooser_memory(strategy::weighted, weighed, 1).may_steal(1));
  EXPECT_TRUE(chooser_memory(strategy::fewest, weighed, 1).may_steal(0));
}

}  // namespace
}  // namespace muster::policy
