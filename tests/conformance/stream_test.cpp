// SPDX-License-Identifier: MIT
// Tasks that yield chunks while they run. One text for both kinds of pool.
#include <numeric>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int count_to(yielder<int>& yield, int last) {
  for (int i = 1; i <= last; ++i)
    if (!yield(i)) return -i;
  return last;
}
// Notes each chunk that got through.
int note_each(yielder<int>& yield, std::string log) {
  for (int i = 1;; ++i) {
    append(log, "before " + std::to_string(i));
    if (!yield(i)) {
      touch(log + ".refused");
      return i;
    }
  }
}
std::size_t texts(yielder<std::string>& yield, std::vector<std::size_t> sizes) {
  for (const std::size_t size : sizes)
    if (!yield(std::string(size, static_cast<char>('a' + size % 26)))) return 0;
  return sizes.size();
}
int yield_then_throw(yielder<int>& yield) {
  (void)yield(1);
  (void)yield(2);
  throw std::out_of_range("after two");
}

template <class Stream>
std::vector<int> all_of(Stream& from) {
  std::vector<int> all;
  while (auto next = from.next()) all.push_back(*next);
  return all;
}

template <class Pool>
struct streams : testing::Test {};
TYPED_TEST_SUITE(streams, both_pools, pool_names);

TYPED_TEST(streams, give_every_chunk_in_order_and_then_the_result) {
  TypeParam pool(2);
  for (const int count : {0, 1, 15, 16, 17, 1'000}) {
    auto numbers = pool.stream(count_to, count);
    EXPECT_GT(numbers.task(), 0U);
    std::vector<int> expected(static_cast<std::size_t>(count));
    std::iota(expected.begin(), expected.end(), 1);
    EXPECT_EQ(all_of(numbers), expected);
    EXPECT_FALSE(numbers.next());
    EXPECT_EQ(numbers.get(), count);
    EXPECT_FALSE(numbers.valid());
  }
  expect_all_settled(pool, 6, 0, 0);
}

TYPED_TEST(streams, give_every_chunk_however_few_may_be_ahead) {
  TypeParam pool(2);
  for (const std::size_t ahead : {1U, 2U, 3U, 7U, 300U}) {
    auto numbers = pool.stream({.chunks_ahead = ahead}, count_to, 500);
    EXPECT_EQ(all_of(numbers).size(), 500U) << ahead;
    EXPECT_EQ(numbers.get(), 500);
  }
}

TYPED_TEST(streams, carry_chunks_of_every_size) {
  TypeParam pool(1);
  const std::vector<std::size_t> sizes{0, 1, 88, 89, 70'000, 300'000, 5, 1'000'000, 70'000, 2};
  auto read = pool.stream({.chunks_ahead = 4}, texts, sizes);
  for (const std::size_t size : sizes) {
    const auto next = read.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, std::string(size, static_cast<char>('a' + size % 26)));
  }
  EXPECT_FALSE(read.next());
  EXPECT_EQ(read.get(), sizes.size());
}

TYPED_TEST(streams, make_the_task_wait_while_chunks_ahead_are_unread) {
  TypeParam pool(1);
  scratch files;
  const std::string log = files("log");
  auto numbers = pool.stream({.chunks_ahead = 3}, note_each, log);
  // With three unread it is in its fourth yield, and stays there.
  ASSERT_TRUE(eventually([&] { return lines_of(log).size() == 4; }));
  EXPECT_EQ(numbers.next(), 1);
  ASSERT_TRUE(eventually([&] { return lines_of(log).size() == 5; }));
  EXPECT_EQ(numbers.next(), 2);
  EXPECT_EQ(numbers.next(), 3);
  ASSERT_TRUE(eventually([&] { return lines_of(log).size() == 7; }));
  EXPECT_FALSE(exists(log + ".refused"));
  numbers.cancel();
  EXPECT_TRUE(appears(log + ".refused"));
}

TYPED_TEST(streams, that_are_dropped_cancel_their_task_and_let_it_go) {
  TypeParam pool(1);
  scratch files;
  {
    auto numbers = pool.stream(note_each, files("log"));
    EXPECT_EQ(numbers.next(), 1);
  }
  EXPECT_TRUE(appears(files("log.refused")));
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
}

TYPED_TEST(streams, that_nobody_reads_end_by_get_which_drops_the_chunks) {
  TypeParam pool(1);
  auto numbers = pool.stream(count_to, 200);
  EXPECT_EQ(numbers.next(), 1);
  auto kept = std::move(numbers);
  EXPECT_FALSE(numbers.valid());  // NOLINT: what a moved-from one is is the point
  EXPECT_EQ(kept.get(), 200);
  EXPECT_EQ(kept.discarded(), 199U);
}

TYPED_TEST(streams, that_nobody_reads_do_not_hold_up_a_stop_beyond_its_deadline) {
  TypeParam pool(1);
  auto numbers = pool.stream(count_to, 1'000);
  EXPECT_EQ(numbers.next(), 1);
  const stop_report report = pool.stop(10ms);
  EXPECT_TRUE(report.forced);
  EXPECT_EQ(report.stuck.size(), 0U);
  while (numbers.next()) {}
  try {
    EXPECT_LT(numbers.get(), 0);  // it ended within the grace, when its yield was refused
  } catch (const pool_stopped&) {
    SUCCEED();
  }
}

TYPED_TEST(streams, give_what_was_yielded_before_an_exception_and_then_that) {
  TypeParam pool(1);
  auto numbers = pool.stream(yield_then_throw);
  EXPECT_EQ(all_of(numbers), (std::vector<int>{1, 2}));
  EXPECT_THROW(numbers.get(), std::out_of_range);
}

TYPED_TEST(streams, end_by_the_run_timeout_of_a_task_that_waits_for_its_reader) {
  TypeParam pool(1);
  auto numbers = pool.stream({.run_timeout = 50ms, .chunks_ahead = 2}, count_to, 100);
  EXPECT_TRUE(eventually([&] { return pool.stats().failed == 1; }));
  while (numbers.next()) {}
  EXPECT_EQ(code_of([&] { numbers.get(); }), error_code::task_timeout);
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
}

TYPED_TEST(streams, of_many_tasks_are_read_side_by_side) {
  TypeParam pool(3);
  std::vector<decltype(pool.stream(count_to, 1))> all;
  for (int i = 0; i < 12; ++i) all.push_back(pool.stream({.chunks_ahead = 2}, count_to, 100));
  std::vector<std::thread> readers;
  for (auto& each : all)
    readers.emplace_back([&each] {
      EXPECT_EQ(all_of(each).size(), 100U);
      EXPECT_EQ(each.get(), 100);
    });
  for (auto& each : readers) each.join();
}

TYPED_TEST(streams, run_once_and_refuse_retries_and_ranges) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .retry = {.attempts = 3, .on_error = true}});
  auto once = pool.stream(yield_then_throw);
  EXPECT_EQ(all_of(once).size(), 2U);
  EXPECT_THROW(once.get(), std::out_of_range);
  EXPECT_THROW((void)pool.stream({.retry = retry_options{.attempts = 2}}, count_to, 1), invalid_options);
  EXPECT_THROW((void)pool.stream({.chunks_ahead = 0}, count_to, 1), invalid_options);
  EXPECT_THROW((void)pool.stream({.chunks_ahead = 65'536}, count_to, 1), invalid_options);
}

TYPED_TEST(streams, take_lambdas_and_give_no_result_where_there_is_none) {
  TypeParam pool(1);
  auto words = pool.stream(
      [](yielder<std::string>& yield, int count) {
        yield.about().log(log_level::debug, "");
        for (int i = 0; i < count; ++i)
          if (yield.about().stop_requested() || !yield("word")) return;
      },
      3);
  int read = 0;
  while (auto word = words.next()) read += *word == "word" ? 1 : 0;
  EXPECT_EQ(read, 3);
  EXPECT_NO_THROW(words.get());
}

TEST(streams_of_threads, carry_what_cannot_cross) {
  thread_pool pool(1);
  auto owners = pool.stream([](yielder<std::unique_ptr<std::thread::id>>& yield) {
    (void)yield(std::make_unique<std::thread::id>(std::this_thread::get_id()));
  });
  const auto id = owners.next();
  ASSERT_TRUE(id && *id);
  EXPECT_NE(**id, std::this_thread::get_id());
}

TEST(streams_of_threads, that_are_read_inside_a_task_of_their_pool_are_refused) {
  thread_pool pool(2);
  auto f = pool.submit([&pool] {
    auto numbers = pool.stream(count_to, 10);
    return numbers.next().value_or(0);
  });
  EXPECT_EQ(outcome_of(f), error_code::would_deadlock);
}

TEST(streams_of_processes, give_what_was_yielded_before_a_crash_and_then_its_error) {
  process_pool pool({.workers = {1}, .retry = {.attempts = 3}, .worker_stderr = worker_stderr::keep});
  auto numbers = pool.stream([](yielder<int>& yield) -> int {
    for (int i = 0; i < 10; ++i) (void)yield(i);
    std::abort();
  });
  EXPECT_EQ(all_of(numbers).size(), 10U);
  EXPECT_EQ(code_of([&] { numbers.get(); }), error_code::unexpected_exit);
}

TEST(streams_of_processes, refuse_descriptors_in_chunks) {
  process_pool pool(1);
  auto files = pool.stream([](yielder<unique_fd>& yield) { return yield(unique_fd::duplicate_of(2)); });
  EXPECT_FALSE(files.next());
  EXPECT_EQ(code_of([&] { files.get(); }), error_code::encode_error);
}

}  // namespace
}  // namespace muster::test
