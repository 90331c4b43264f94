// SPDX-License-Identifier: MIT
// What `muster tune` recommends, by figures that were never measured.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>

#include <muster/options.hpp>

#include "cli/tune.hpp"

namespace muster::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

tune_machine of_two_cpus() { return {.cpus = 2, .memory = 4'096 * 1_MiB}; }

/// Calls of 10 ms that compute, on two CPUs.
tune_figure computing(int workers) {
  const double busy = std::min(workers, 2);
  return {.size = {workers, 1},
          .rounds = 3,
          .per_second = 100 * busy,
          .least = 99 * busy,
          .most = 101 * busy,
          .p50 = 0.01 * workers / busy,
          .p99 = 0.011 * workers / busy,
          .memory = static_cast<std::size_t>(workers) * 1_MiB,
          .cpus = busy,
          .owner_cpus = 0.01,
          .calls = static_cast<std::uint64_t>(300 * busy)};
}

/// Calls of 10 ms that wait, for something that serves `most` of them at a time.
tune_figure waiting(int workers, int most = 1'000) {
  const double served = std::min(workers, most);
  return {.size = {workers, 1},
          .rounds = 3,
          .per_second = 100 * served,
          .least = 99 * served,
          .most = 101 * served,
          .p50 = 0.01 * workers / served,
          .p99 = 0.011 * workers / served,
          .memory = static_cast<std::size_t>(workers) * 1_MiB,
          .cpus = 0.01 * served,
          .owner_cpus = 0.01,
          .calls = static_cast<std::uint64_t>(300 * served)};
}

template <class Make>
std::vector<tune_figure> sweep(Make make, int max = 32) {
  std::vector<tune_figure> made;
  for (const tune_size& each : sizes_of(1, max, {1})) made.push_back(make(each.workers));
  return made;
}

std::string notes_of(const tune_advice& advice) {
  std::string all;
  for (const std::string& each : advice.notes) all += each + '\n';
  return all;
}

TEST(tune_sizes, double_from_the_least_and_end_with_the_most) {
  const auto workers_of = [](const std::vector<tune_size>& sizes) {
    std::vector<int> all;
    for (const tune_size& each : sizes) all.push_back(each.workers);
    return all;
  };
  EXPECT_THAT(workers_of(sizes_of(1, 32, {1})), ElementsAre(1, 2, 4, 8, 16, 32));
  EXPECT_THAT(workers_of(sizes_of(3, 20, {1})), ElementsAre(3, 6, 12, 20));
  EXPECT_THAT(workers_of(sizes_of(5, 5, {1})), ElementsAre(5));
  EXPECT_THAT(sizes_of(1, 2, {1, 8}),
              ElementsAre(tune_size{1, 1}, tune_size{1, 8}, tune_size{2, 1}, tune_size{2, 8}));
}

TEST(tune_sizes, are_measured_backwards_in_every_other_round) {
  EXPECT_THAT(order_of(3, 0), ElementsAre(0, 1, 2));
  EXPECT_THAT(order_of(3, 1), ElementsAre(2, 1, 0));
  EXPECT_THAT(order_of(3, 2), ElementsAre(0, 1, 2));
}

TEST(tune_figures, are_medians_of_the_rounds_and_sums_of_their_calls) {
  const std::vector<tune_point> points = {
      {.size = {2, 1},
       .rounds = {{.per_second = 30, .p50 = 3, .memory = 5, .calls = 30, .failed = 1},
                  {.per_second = 10, .p50 = 1, .memory = 9, .calls = 10},
                  {.per_second = 20, .p50 = 9, .memory = 7, .calls = 20, .failed = 2}}},
      {.size = {4, 1}},
      {.size = {8, 1}, .rounds = {{.per_second = 40}, {.per_second = 20}}}};
  const auto figures = figures_of(points);
  ASSERT_EQ(figures.size(), 2U) << "what was not measured is not there";
  EXPECT_EQ(figures[0].per_second, 20);
  EXPECT_EQ(figures[0].least, 10);
  EXPECT_EQ(figures[0].most, 30);
  EXPECT_EQ(figures[0].p50, 3);
  EXPECT_EQ(figures[0].memory, 7U);
  EXPECT_EQ(figures[0].calls, 60U);
  EXPECT_EQ(figures[0].failed, 3U);
  EXPECT_EQ(figures[1].per_second, 30) << "between the two in the middle";
  EXPECT_EQ(figures[1].size.workers, 8);
}

TEST(tune_advice, for_calls_that_compute_is_a_worker_for_each_cpu) {
  const auto figures = sweep(computing);
  const auto advice = recommend(figures, of_two_cpus());
  ASSERT_TRUE(advice);
  EXPECT_EQ(figures[advice->at].size.workers, 2);
  EXPECT_EQ(advice->bound, tune_bound::computing);
  EXPECT_THAT(advice->reason,
              AllOf(HasSubstr("2 workers: 200 calls/s"), HasSubstr("the calls compute (2.0 of 2 CPUs busy)"),
                    HasSubstr("more gain nothing")));
  EXPECT_FALSE(advice->noisy);
  EXPECT_THAT(advice->notes, IsEmpty());
}

TEST(tune_advice, for_calls_that_wait_is_as_many_as_are_served_at_a_time) {
  const auto figures = sweep([](int workers) { return waiting(workers, 8); });
  const auto advice = recommend(figures, of_two_cpus());
  ASSERT_TRUE(advice);
  EXPECT_EQ(figures[advice->at].size.workers, 8);
  EXPECT_EQ(advice->bound, tune_bound::waiting);
  EXPECT_THAT(advice->reason, HasSubstr("the calls mostly wait"));
}

TEST(tune_advice, says_when_the_largest_size_is_still_the_best) {
  const auto figures = sweep([](int workers) { return waiting(workers); });
  const auto advice = recommend(figures, of_two_cpus());
  EXPECT_EQ(figures[advice->at].size.workers, 32);
  EXPECT_THAT(advice->reason, HasSubstr("a larger --max may give more"));
  const auto only = sweep(computing, 1);
  EXPECT_THAT(recommend(only, of_two_cpus())->reason, HasSubstr("no other size was measured"));
}

TEST(tune_advice, is_the_smallest_size_within_five_percent_of_the_best) {
  auto figures = sweep(computing, 8);
  figures[3].per_second = 200 / 0.951;  // 8 workers are that much better than 2
  EXPECT_EQ(recommend(figures, of_two_cpus())->at, 1U);
  EXPECT_THAT(recommend(figures, of_two_cpus())->reason,
              HasSubstr("more gain less than 5 % (at best 210 calls/s, with 8 workers)"));
  figures[3].per_second = 200 / 0.949;
  EXPECT_EQ(recommend(figures, of_two_cpus())->at, 3U);
}

TEST(tune_advice, prefers_fewer_workers_with_more_calls_at_once) {
  std::vector<tune_figure> figures;
  for (const tune_size& each : sizes_of(1, 8, {1, 8})) {
    figures.push_back(waiting(each.places(), 8));
    figures.back().size = each;
  }
  const auto advice = recommend(figures, of_two_cpus());
  EXPECT_EQ(figures[advice->at].size, (tune_size{1, 8}));
  EXPECT_THAT(advice->reason, HasSubstr("1 worker with 8 calls at once"));
}

TEST(tune_advice, names_what_calls_do_by_the_smallest_size) {
  auto figures = sweep(computing, 4);
  for (tune_figure& each : figures) each.cpus *= 0.5;
  EXPECT_EQ(recommend(figures, of_two_cpus())->bound, tune_bound::both);
  for (tune_figure& each : figures) each.owner_cpus = 1.2;
  EXPECT_EQ(recommend(figures, of_two_cpus())->bound, tune_bound::handing_out);
  EXPECT_THAT(recommend(figures, of_two_cpus())->reason, HasSubstr("let each do more"));
}

TEST(tune_advice, notes_a_smaller_size_with_much_better_latency_or_less_memory) {
  auto figures = sweep([](int workers) { return waiting(workers, 8); }, 8);
  figures[2].per_second = 0.85 * figures[3].per_second;
  EXPECT_THAT(recommend(figures, of_two_cpus())->notes, IsEmpty());
  figures[2].p99 = 0.4 * figures[3].p99;
  EXPECT_THAT(notes_of(*recommend(figures, of_two_cpus())),
              AllOf(HasSubstr("Where latency counts more: 4 workers have a p99 of 4.4 ms instead of 11.0 ms"),
                    HasSubstr("at 85 % of the throughput"), Not(HasSubstr("memory"))));
  figures[3].memory = 400 * 1_MiB;
  figures[2].memory = 200 * 1_MiB;
  EXPECT_THAT(notes_of(*recommend(figures, of_two_cpus())),
              AllOf(HasSubstr("Where latency or memory counts more"),
                    HasSubstr("200 MiB of memory instead of 400 MiB")));
  figures[2].per_second = 0.79 * figures[3].per_second;
  EXPECT_THAT(recommend(figures, of_two_cpus())->notes, IsEmpty()) << "it gives up too much";
}

TEST(tune_advice, notes_workers_that_take_much_of_the_machine) {
  auto figures = sweep(computing, 4);
  figures[1].memory = 3'000 * 1_MiB;
  EXPECT_THAT(notes_of(*recommend(figures, of_two_cpus())), HasSubstr("They take 2.9 GiB of the 4.0 GiB"));
  EXPECT_THAT(notes_of(*recommend(figures, {.cpus = 2, .memory = 0})), Not(HasSubstr("They take")));
}

TEST(tune_advice, says_that_measurements_are_noisy) {
  auto figures = sweep(computing, 4);
  figures[1].most = figures[1].per_second * 1.25;
  const auto advice = recommend(figures, of_two_cpus());
  EXPECT_TRUE(advice->noisy);
  EXPECT_THAT(notes_of(*advice), HasSubstr("noisy: with 2 workers the rounds are 26 % apart"));
}

TEST(tune_advice, does_not_take_calls_for_waiting_where_others_have_the_cpus) {
  auto figures = sweep([](int workers) { return waiting(workers, 8); });
  for (tune_figure& each : figures) each.other_cpus = 0.4;
  EXPECT_EQ(recommend(figures, of_two_cpus())->bound, tune_bound::waiting);
  for (tune_figure& each : figures) each.other_cpus = 1.6;
  const auto advice = recommend(figures, of_two_cpus());
  EXPECT_EQ(advice->bound, tune_bound::unclear);
  EXPECT_TRUE(advice->noisy);
  EXPECT_THAT(notes_of(*advice), HasSubstr("Other programs kept 1.6 of 2 CPUs busy"));
}

TEST(tune_advice, says_that_there_were_too_few_calls_and_that_calls_failed) {
  auto figures = sweep(computing, 4);
  figures[1].calls = 3 * 2 * 4 - 1;
  figures[1].p50 = 0.72;
  figures[1].failed = 3;
  EXPECT_THAT(notes_of(*recommend(figures, of_two_cpus())),
              AllOf(HasSubstr("Only 23 calls were done in all rounds"), HasSubstr("--seconds 8"),
                    HasSubstr("3 of 23 calls failed")));
}

TEST(tune_advice, is_none_where_nothing_succeeded) {
  EXPECT_FALSE(recommend({}, of_two_cpus()));
  const std::vector<tune_figure> nothing = {{.size = {1, 1}, .rounds = 1, .calls = 5, .failed = 5}};
  EXPECT_FALSE(recommend(nothing, of_two_cpus()));
}

}  // namespace
}  // namespace muster::cli
