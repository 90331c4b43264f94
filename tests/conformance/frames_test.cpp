// SPDX-License-Identifier: MIT
// Maps of which several elements make one task: the elements keep outcomes of their own, and share what
// befalls their task.
#include <algorithm>
#include <csignal>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

template <class Pool>
struct frames : testing::Test {};
TYPED_TEST_SUITE(frames, both_pools, pool_names);

std::vector<int> up_to(int count) {
  const auto all = std::views::iota(0, count);
  return {all.begin(), all.end()};
}

// What became of each element, in the order of the range: its value, or the error's code.
template <class R>
std::vector<std::string> told(map_range<R> range) {
  std::vector<std::string> all;
  for (auto at = range.begin(); at != range.end() && all.size() < 10'000; ++at) {
    try {
      all.push_back(std::to_string(*at));
    } catch (const error& e) {
      all.emplace_back(name(e.code()));
    } catch (const std::exception& e) {
      all.emplace_back(e.what());
    }
  }
  return all;
}
std::vector<std::string> told_of(const std::vector<int>& values) {
  std::vector<std::string> all;
  for (const int each : values) all.push_back(std::to_string(each));
  return all;
}

int three_is_bad(int value) { return value == 3 ? throw std::out_of_range("three") : value; }
int three_dies(int value) { return value == 3 ? die(SIGKILL, 0) : value; }
int dies_once(int value, std::string mark) {
  if (value == 3 && !exists(mark)) {
    touch(mark);
    die(SIGKILL, 0);
  }
  return value;
}
int three_hangs(std::stop_token stop, int value) {
  if (value == 3) (void)eventually([&] { return stop.stop_requested(); });
  return value;
}
int with_context(context& about, int value, int more) { return about.attempt() * 100 + value + more; }
int note_and_wait_for_stop(std::stop_token stop, int value, std::string log) {
  append(log, std::to_string(value));
  (void)eventually([&] { return stop.stop_requested(); });
  return value;
}
std::size_t length(std::string text) { return text.size(); }
bool negated(bool value) { return !value; }
unique_fd descriptor_for(int) { return unique_fd(::dup(0)); }
int number_of(unique_fd) { return 1; }

TYPED_TEST(frames, give_each_element_its_result_in_the_order_of_the_input) {
  TypeParam pool(2);
  for (const int count : {0, 1, 9, 10, 11, 1'000})
    EXPECT_EQ(told(pool.map({.per_task = 10}, echo, up_to(count))), told_of(up_to(count))) << count;
  auto unordered = told(pool.map_unordered({.per_task = 7}, echo, up_to(100)));
  std::ranges::sort(unordered, {}, [](const std::string& each) { return std::stoi(each); });
  EXPECT_EQ(unordered, told_of(up_to(100)));
}

TYPED_TEST(frames, are_one_task_each) {
  TypeParam pool(2);
  EXPECT_EQ(pool.map({.per_task = 10}, echo, up_to(95)).to_vector(), up_to(95));
  expect_all_settled(pool, 10, 0, 0);
}

TYPED_TEST(frames, whose_element_throws_give_all_the_others) {
  TypeParam pool(2);
  EXPECT_EQ(told(pool.map({.per_task = 5}, three_is_bad, up_to(7))),
            (std::vector<std::string>{"0", "1", "2", "three", "4", "5", "6"}));
  expect_all_settled(pool, 2, 0, 0);
}

TYPED_TEST(frames, throw_an_elements_error_as_often_as_it_is_read) {
  TypeParam pool(1);
  auto results = pool.map({.per_task = 5}, three_is_bad, up_to(5));
  auto at = results.begin();
  for (int i = 0; i < 3; ++i) ++at;  // unread ones too are passed one by one
  EXPECT_THROW(*at, std::out_of_range);
  EXPECT_THROW(*at, std::out_of_range);
  ++at;
  EXPECT_EQ(*at, 4);
  EXPECT_EQ(*at, 4);
  ++at;
  EXPECT_TRUE(at == results.end());
}

TYPED_TEST(frames, that_run_too_long_fail_as_a_whole) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 100ms});
  const std::string late(name(error_code::task_timeout));
  EXPECT_EQ(told(pool.map({.run_timeout = 300ms, .per_task = 2}, three_hangs, up_to(6))),
            (std::vector<std::string>{"0", "1", late, late, "4", "5"}));
}

TYPED_TEST(frames, pass_on_what_the_function_takes_beside_the_element) {
  TypeParam pool(2);
  EXPECT_EQ(pool.map({.per_task = 4}, with_context, up_to(3), 7).to_vector(), (std::vector{107, 108, 109}));
  EXPECT_EQ(pool.map({.per_task = 2}, negated, std::vector<bool>{true, false, true}).to_vector(),
            (std::vector<bool>{false, true, false}));
  EXPECT_EQ(pool.map({.per_task = 2}, length, std::vector<std::string>{"", "a", "bc"}).to_vector(),
            (std::vector<std::size_t>{0, 1, 2}));
}

// Told to stop between two elements, a frame runs no further ones.
TYPED_TEST(frames, that_nobody_reads_any_more_stop_between_two_elements) {
  const scratch files;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  {
    auto results = pool.map({.per_task = 100}, note_and_wait_for_stop, up_to(100), files("log"));
    EXPECT_TRUE(eventually([&] { return !lines_of(files("log")).empty(); }));
  }
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")).size(), 1U);
}

TYPED_TEST(frames, can_be_the_stages_of_a_map_of_maps) {
  TypeParam pool(2);
  auto first = pool.map({.per_task = 8}, echo, up_to(100));
  auto second = pool.map({.per_task = 3}, add, std::move(first), 1);
  std::vector<int> sums;
  for (const int each : pool.map(add, std::move(second), 1)) sums.push_back(each - 2);
  EXPECT_EQ(sums, up_to(100));
}

TYPED_TEST(frames, whose_input_throws_give_what_came_before_then_throw_that_and_end) {
  TypeParam pool(2);
  auto inputs = up_to(20) | std::views::transform(
                                [](int i) { return i == 13 ? throw std::runtime_error("the input") : i; });
  auto expected = told_of(up_to(13));
  expected.emplace_back("the input");
  EXPECT_EQ(told(pool.map({.per_task = 5}, echo, inputs)), expected);
}

TYPED_TEST(frames, give_all_that_was_accepted_then_say_once_that_the_pool_was_stopped) {
  TypeParam pool(2);
  auto results = pool.map({.per_task = 10}, echo, up_to(5'000));
  EXPECT_EQ(*results.begin(), 0);
  pool.stop();
  const auto all = told(std::move(results));
  ASSERT_GT(all.size(), 1U);
  EXPECT_EQ(all.back(), name(error_code::pool_stopped));
  EXPECT_EQ(std::vector(all.begin(), all.end() - 1), told_of(up_to(static_cast<int>(all.size()) - 1)));
}

TYPED_TEST(frames, are_offered_again_where_the_queue_has_no_room) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 2, .when_full = when_full::reject}});
  EXPECT_EQ(pool.map({.per_task = 3}, echo, up_to(100)).to_vector(), up_to(100));
}

TYPED_TEST(frames, have_no_futures_for_their_elements) {
  TypeParam pool(1);
  auto results = pool.map({.per_task = 3}, echo, up_to(9));
  EXPECT_EQ(code_of([&] { (void)results.futures(); }), error_code::invalid_call);
  EXPECT_EQ(results.to_vector(), up_to(9));
}

TYPED_TEST(frames, of_no_size_or_a_senseless_one_are_refused) {
  TypeParam pool(1);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1'000'001}, ~std::size_t{0}}) {
    try {
      (void)pool.map({.per_task = size}, echo, up_to(9));
      ADD_FAILURE() << size;
    } catch (const invalid_options& e) {
      EXPECT_NE(std::string(e.what()).find("per_task = " + std::to_string(size)), std::string::npos)
          << e.what();
    }
  }
}

TEST(frames_of_threads, may_hold_what_can_only_be_moved) {
  thread_pool pool(2);
  std::vector<std::unique_ptr<int>> inputs;
  for (int i = 0; i < 10; ++i) inputs.push_back(std::make_unique<int>(i));
  auto results = pool.map(
      {.per_task = 3}, [](std::unique_ptr<int> each) { return each; },
      inputs | std::views::transform([](auto& each) { return std::move(each); }));
  int expected = 0;
  for (const auto& each : results) EXPECT_EQ(*each, expected++);
  EXPECT_EQ(expected, 10);
}

TEST(frames_of_processes, that_are_lost_with_their_worker_fail_as_a_whole_and_no_other_one_does) {
  process_pool pool({.workers = {2}, .restart = {.first = 1ms}});
  const std::string lost(name(error_code::unexpected_exit));
  EXPECT_EQ(told(pool.map({.per_task = 2}, three_dies, up_to(8))),
            (std::vector<std::string>{"0", "1", lost, lost, "4", "5", "6", "7"}));
}

TEST(frames_of_processes, run_again_as_a_whole_where_that_was_asked_for) {
  const scratch files;
  process_pool pool({.workers = {1}, .restart = {.first = 1ms}});
  EXPECT_EQ(
      pool.map({.retry = retry_options{.attempts = 2}, .per_task = 5}, dies_once, up_to(10), files("mark"))
          .to_vector(),
      up_to(10));
  EXPECT_EQ(pool.stats().retried, 1U);
}

TEST(frames_of_processes, end_before_their_arguments_are_too_large_for_a_ring) {
  process_pool pool(2);
  const std::vector<std::string> inputs(40, std::string(10'000, 'x'));
  EXPECT_EQ(pool.map({.per_task = 40}, length, inputs).to_vector(), std::vector<std::size_t>(40, 10'000));
  EXPECT_EQ(pool.stats().submitted, 10U);  // the fourth crosses 32 KiB
}

TEST(frames_of_processes, refuse_descriptors_both_ways) {
  process_pool pool(1);
  std::vector<unique_fd> inputs;
  for (int i = 0; i < 3; ++i) inputs.emplace_back(::dup(0));
  EXPECT_EQ(code_of([&] {
              (void)pool.map({.per_task = 2}, number_of,
                             inputs | std::views::transform([](auto& each) { return std::move(each); }));
            }),
            error_code::encode_error);
  auto results = pool.map({.per_task = 2}, descriptor_for, up_to(3));
  int refused = 0;
  for (auto at = results.begin(); at != results.end(); ++at)
    refused += code_of([&] { (void)*at; }) == error_code::encode_error ? 1 : 0;
  EXPECT_EQ(refused, 3);
}

TEST(frames_of_processes, that_come_back_with_too_few_or_ruined_elements_are_decode_errors) {
  using two = detail::frame<std::string>;
  writer out;
  detail::encode_element(out, [&] { encode(out, std::string("one")); });
  detail::encode_element(out, [] { throw std::out_of_range("two"); });
  encode(out, detail::element_mark::end);
  const std::vector<std::byte> whole(out.bytes().begin(), out.bytes().end());
  {
    reader in(whole);
    const auto read = decode<two>(in);
    in.finish();
    ASSERT_EQ(read.elements.size(), 2U);
    EXPECT_EQ(read.elements[0].value, "one");
    EXPECT_THROW(std::rethrow_exception(read.elements[1].error), std::out_of_range);
  }
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept));
    reader in(part);
    EXPECT_THROW((void)decode<two>(in), decode_error) << kept;
  }
  auto ruined = whole;
  ruined[0] = std::byte{7};
  reader in(ruined);
  EXPECT_THROW((void)decode<two>(in), decode_error);
}

}  // namespace
}  // namespace muster::test
