// SPDX-License-Identifier: MIT
// Maps whose submitting meets an end or a full queue, that are moved, outlive their pool, carry options, or
// become futures. What a map gives when all is well is in submit_test.cpp.
#include <algorithm>
#include <numeric>
#include <optional>
#include <ranges>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct maps : testing::Test {};
TYPED_TEST_SUITE(maps, both_pools, pool_names);

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

struct reading {
  std::vector<int> values;
  std::vector<error_code> errors;
};
// Reads to the end. A range that has none is stopped by a count.
template <class R>
reading read_rest(map_range<R>& range, std::size_t at_most = 1'000) {
  reading seen;
  std::size_t count = 0;
  for (auto at = range.begin(); at != range.end() && ++count <= at_most; ++at) {
    try {
      seen.values.push_back(*at);
    } catch (const error& e) {
      seen.errors.push_back(e.code());
    }
  }
  EXPECT_LE(count, at_most) << "the range does not end";
  return seen;
}

TYPED_TEST(maps, give_all_that_was_accepted_then_say_once_that_the_pool_was_stopped) {
  for (const bool ordered : {true, false}) {
    TypeParam pool(options_of<TypeParam>{.workers = {2}, .queue = {.capacity = 8}});
    auto results = ordered ? pool.map(echo, numbers(50)) : pool.map_unordered(echo, numbers(50));
    std::vector<int> seen;
    auto at = results.begin();
    for (int i = 0; i < 3; ++i, ++at) seen.push_back(*at);
    pool.stop();
    const std::size_t accepted = pool.stats().submitted;
    ASSERT_LT(accepted, 50U);
    const reading rest = read_rest(results);
    seen.insert(seen.end(), rest.values.begin(), rest.values.end());
    std::ranges::sort(seen);
    EXPECT_EQ(seen, numbers(static_cast<int>(accepted)));
    EXPECT_EQ(rest.errors, std::vector{error_code::pool_stopped});
  }
}

TYPED_TEST(maps, whose_input_throws_give_what_came_before_then_throw_that_and_end) {
  TypeParam pool(2);
  const auto inputs = numbers(10);
  auto results = pool.map(echo, inputs | std::views::transform([](int i) {
                                  if (i == 5) throw std::out_of_range("five");
                                  return i;
                                }));
  auto at = results.begin();
  for (int i = 0; i < 5; ++i, ++at) EXPECT_EQ(*at, i);
  ASSERT_FALSE(at == results.end());
  EXPECT_THROW(*at, std::out_of_range);
  EXPECT_TRUE(++at == results.end());
}

// Many are submitted together.
TYPED_TEST(maps, of_many_elements_end_where_the_input_throws_or_the_pool_stops) {
  TypeParam pool(2);
  for (const int bad : {0, 1, 999, 1'000, 1'001, 1'234, 3'210}) {
    const auto fails_at = [bad](int i) { return i == bad ? throw std::runtime_error("the input") : i; };
    auto inputs = std::views::iota(0, 5'000) | std::views::transform(fails_at);
    int read = 0;
    try {
      for (const int each : pool.map(echo, inputs)) ASSERT_EQ(each, read++);
      FAIL() << bad;
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "the input");
    }
    EXPECT_EQ(read, bad);
  }
  auto all = pool.map(echo, numbers(5'000));
  auto at = all.begin();
  for (int i = 0; i < 1'500; ++i, ++at) ASSERT_EQ(*at, i);
  pool.stop();
  const reading rest = read_rest(all, 5'000);
  EXPECT_EQ(rest.errors, std::vector{error_code::pool_stopped});
  EXPECT_GE(rest.values.size(), 500U);
  EXPECT_LE(rest.values.size(), 1'000U);
  EXPECT_EQ(rest.values.front(), 1'500);
}

TYPED_TEST(maps, with_a_queue_that_rejects_give_everything) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 4, .when_full = when_full::reject}});
  auto in_order = pool.map(echo, numbers(200));
  EXPECT_EQ(read_rest(in_order).values, numbers(200));
  auto as_done = pool.map_unordered(echo, numbers(200));
  auto seen = read_rest(as_done);
  std::ranges::sort(seen.values);
  EXPECT_EQ(seen.values, numbers(200));
  EXPECT_TRUE(seen.errors.empty());
}

TYPED_TEST(maps, take_what_room_there_is_in_a_queue_that_rejects) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 4, .when_full = when_full::reject}});
  blocker busy(pool);
  std::vector<future<int>> others;
  while (code_of([&] { others.push_back(pool.submit(echo, 1)); }) != error_code::queue_full) {}
  others.back().cancel();
  const std::size_t before = pool.stats().submitted;
  auto results = pool.map(echo, numbers(20));
  EXPECT_EQ(pool.stats().submitted - before, 1U);
  busy.open();
  const auto seen = read_rest(results);
  EXPECT_EQ(seen.values, numbers(20));
  EXPECT_TRUE(seen.errors.empty());
}

TYPED_TEST(maps, whose_first_element_is_refused_throw_at_once) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::reject}});
  blocker busy(pool);
  std::vector<future<int>> others;
  while (code_of([&] { others.push_back(pool.submit(echo, 1)); }) != error_code::queue_full) {}
  EXPECT_EQ(code_of([&] { (void)pool.map(echo, numbers(3)); }), error_code::queue_full);
}

TYPED_TEST(maps, take_each_element_from_the_input_once) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 4, .when_full = when_full::reject}});
  blocker busy(pool);
  std::vector<future<int>> others;
  while (code_of([&] { others.push_back(pool.submit(echo, 1)); }) != error_code::queue_full) {}
  others.back().cancel();
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) texts.push_back("text " + std::to_string(i));
  const std::vector<std::string> expected = texts;
  auto results =
      pool.map([](std::string text) { return text; },
               std::ranges::subrange(std::move_iterator(texts.begin()), std::move_iterator(texts.end())));
  busy.open();
  EXPECT_EQ(results.to_vector(), expected);
}

TYPED_TEST(maps, throw_an_elements_error_as_often_as_it_is_read) {
  TypeParam pool(1);
  auto results = pool.map([](int x) { return x == 0 ? throw std::out_of_range("zero") : x; }, numbers(2));
  auto at = results.begin();
  EXPECT_THROW(*at, std::out_of_range);
  EXPECT_THROW(*at, std::out_of_range);
  EXPECT_EQ(*++at, 1);
  EXPECT_EQ(*at, 1);
  EXPECT_TRUE(++at == results.end());
}

TYPED_TEST(maps, that_are_assigned_to_cancel_what_they_held) {
  TypeParam pool(1);
  scratch files;
  const auto held = [](int which, std::string directory) {
    if (which == 0) return hold(directory + "begun", directory + "gate", 0);
    return note(directory + "log", which);
  };
  auto results = pool.map(held, numbers(4), files(""));
  ASSERT_TRUE(appears(files("begun")));
  results = pool.map(held, std::vector<int>{7, 8}, files(""));
  touch(files("gate"));
  EXPECT_EQ(results.to_vector(), (std::vector<int>{7, 8}));
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")), (std::vector<std::string>{"7", "8"}));
}

TYPED_TEST(maps, can_be_moved_while_they_are_read) {
  TypeParam pool(1);
  auto first = pool.map(echo, numbers(10));
  auto at = first.begin();
  EXPECT_EQ(*at, 0);
  ++at;
  auto second = std::move(first);
  EXPECT_TRUE(first.begin() == first.end());
  EXPECT_TRUE(first.to_vector().empty());
  EXPECT_EQ(*at, 1);
  EXPECT_EQ(second.to_vector(), (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TYPED_TEST(maps, that_outlive_their_pool_give_what_was_computed_then_say_that_it_is_gone) {
  for (const bool ordered : {true, false}) {
    auto pool = std::make_unique<TypeParam>(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 5}});
    auto results = ordered ? pool->map(echo, numbers(30)) : pool->map_unordered(echo, numbers(30));
    pool.reset();
    auto seen = read_rest(results);
    std::ranges::sort(seen.values);
    EXPECT_EQ(seen.values, numbers(5));
    EXPECT_EQ(seen.errors, std::vector{error_code::pool_stopped});
  }
}

TYPED_TEST(maps, give_every_element_the_options_and_a_name_of_its_own) {
  TypeParam pool(1);
  blocker busy(pool);
  for (const bool ordered : {true, false}) {
    const task_options options{.queue_timeout = 1ms, .id = "late"};
    auto results =
        ordered ? pool.map(options, add, numbers(3), 1) : pool.map_unordered(options, add, numbers(3), 1);
    std::vector<std::string> names;
    for (auto at = results.begin(); at != results.end(); ++at) {
      try {
        (void)*at;
        ADD_FAILURE() << "it has begun";
      } catch (const task_timeout& e) {
        names.push_back(e.subject().task_id);
      }
    }
    std::ranges::sort(names);
    EXPECT_EQ(names, (std::vector<std::string>{"late[0]", "late[1]", "late[2]"}));
  }
}

TYPED_TEST(maps, become_futures_in_the_order_of_the_input) {
  for (const when_full full : {when_full::wait, when_full::reject}) {
    TypeParam pool(options_of<TypeParam>{.workers = {2}, .queue = {.capacity = 4, .when_full = full}});
    for (const bool ordered : {true, false}) {
      auto results = ordered ? pool.map(echo, numbers(50)) : pool.map_unordered(echo, numbers(50));
      auto at = results.begin();
      const int first = *at;
      auto rest = results.futures();
      EXPECT_TRUE(at == results.end());
      std::vector<int> seen;
      for (auto& f : rest) seen.push_back(f.get());
      EXPECT_TRUE(std::ranges::is_sorted(seen));
      seen.push_back(first);
      std::ranges::sort(seen);
      EXPECT_EQ(seen, numbers(50));
      EXPECT_TRUE(results.futures().empty());
    }
  }
}

TYPED_TEST(maps, whose_input_throws_become_futures_of_which_the_last_says_why) {
  TypeParam pool(1);
  const auto inputs = numbers(10);
  auto futures = pool.map(echo, inputs | std::views::transform([](int i) {
                                  return i == 3 ? throw std::out_of_range("three") : i;
                                }))
                     .futures();
  ASSERT_EQ(futures.size(), 4U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i);
  EXPECT_THROW(futures[3].get(), std::out_of_range);
}

}  // namespace
}  // namespace muster::test
