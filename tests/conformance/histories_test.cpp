// SPDX-License-Identifier: MIT
// Histories of many submitters at once, checked against a queue that does one thing after the other: there
// must be an order of all steps, each within the time in which it was done, in which first in is first out.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// When a submit began and returned, by one clock that all threads share; and as the how-manieth its task
// began.
struct submit_step {
  std::uint64_t began, returned;
  int taken_as;
};

// Whether such an order exists. With one taker it does unless a task began before another one whose submit
// had returned before its own began. Returns how often that is so.
int steps_out_of_order(std::vector<submit_step> history) {
  std::ranges::sort(history, {}, &submit_step::taken_as);
  int wrong = 0;
  std::uint64_t latest_begin = 0;  // of the submits of those that were taken before
  for (const submit_step& each : history) {
    wrong += each.returned < latest_begin ? 1 : 0;
    latest_begin = std::max(latest_begin, each.began);
  }
  return wrong;
}

// In one worker this is the order in which its tasks begin.
int place_in_line() {
  static std::atomic<int> next{0};
  return next++;
}

template <class Pool>
struct histories : testing::Test {};
TYPED_TEST_SUITE(histories, both_pools, pool_names);

TEST(histories_checked, against_a_queue_show_what_is_out_of_order) {
  EXPECT_EQ(steps_out_of_order({{0, 1, 0}, {2, 3, 1}}), 0);
  EXPECT_EQ(steps_out_of_order({{0, 1, 1}, {2, 3, 0}}), 1);
  EXPECT_EQ(steps_out_of_order({{0, 2, 1}, {1, 3, 0}}), 0) << "they were submitted at the same time";
  EXPECT_EQ(steps_out_of_order({{0, 1, 2}, {2, 5, 0}, {3, 4, 1}}), 1);
}

// Bursts and pauses, so that the worker sleeps, is awake, and falls asleep, and tasks go by each way there
// is.
TYPED_TEST(histories, of_many_submitters_are_those_of_a_queue) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = std::nullopt}});
  const int first = pool.submit(place_in_line).get();
  const std::uint64_t seed = seed_of_test();
  std::atomic<std::uint64_t> clock{0};
  constexpr int submitters = 4, each = base::is_sanitized ? 1'000 : 5'000;
  std::vector<std::vector<submit_step>> histories_of(submitters);
  std::vector<std::thread> threads;
  for (int n = 0; n < submitters; ++n)
    threads.emplace_back([&, n] {
      std::mt19937_64 dice(seed + static_cast<std::uint64_t>(n));
      std::vector<std::pair<submit_step, future<int>>> made;
      for (int i = 0; i < each; ++i) {
        const std::uint64_t began = clock++;
        auto result = pool.submit(place_in_line);
        made.emplace_back(submit_step{began, clock++, 0}, std::move(result));
        if (dice() % 50 == 0) made.back().second.wait();
        if (dice() % 20 == 0) std::this_thread::yield();
      }
      for (auto& [step, result] : made) {
        step.taken_as = result.get();
        histories_of[static_cast<std::size_t>(n)].push_back(step);
      }
    });
  for (auto& thread : threads) thread.join();
  std::vector<submit_step> history;
  std::vector<int> places;
  for (const auto& one : histories_of) history.insert(history.end(), one.begin(), one.end());
  for (const submit_step& step : history) places.push_back(step.taken_as);
  std::ranges::sort(places);
  for (int i = 0; i < submitters * each; ++i) ASSERT_EQ(places[static_cast<std::size_t>(i)], first + 1 + i);
  EXPECT_EQ(steps_out_of_order(history), 0);
}

}  // namespace
}  // namespace muster::test
