// SPDX-License-Identifier: MIT
// What a task's caller gets: results, errors, order. One text for both kinds of pool.
#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <system_error>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

struct my_error : std::exception {
  const char* what() const noexcept override { return "mine"; }
};

int throw_standard(int which) {
  switch (which) {
    case 0: throw std::runtime_error("zero");
    case 1: throw std::invalid_argument("one");
    case 2: throw std::out_of_range("two");
    case 3: throw std::logic_error("three");
    case 4: throw std::domain_error("four");
    case 5: throw std::length_error("five");
    case 6: throw std::overflow_error("six");
    case 7: throw std::system_error(ENOENT, std::generic_category(), "seven");
    default: throw std::bad_alloc();
  }
}
int throw_mine() { throw my_error(); }
int throw_int() { throw 42; }
int attempt_of(context& about) { return about.attempt(); }
int number_of(context& about) { return static_cast<int>(about.task()); }

// Fails until its file holds `good` lines.
int fail_before(std::string log, std::size_t good) {
  append(log, "ran");
  const auto runs = lines_of(log).size();
  if (runs < good) throw std::runtime_error("run " + std::to_string(runs));
  return static_cast<int>(runs);
}

template <class Pool>
struct submitting : testing::Test {};
TYPED_TEST_SUITE(submitting, both_pools, pool_names);

TYPED_TEST(submitting, gives_each_task_its_own_result) {
  TypeParam pool(2);
  std::vector<future<int>> results;
  for (int i = 0; i < 2'000; ++i) results.push_back(pool.submit(add, i, 1));
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)].get(), i + 1);
  expect_all_settled(pool, 2'000, 0, 0);
}

TYPED_TEST(submitting, in_bulk_gives_the_results_in_the_order_of_the_input) {
  TypeParam pool(2);
  std::vector<int> inputs(2'000);
  std::iota(inputs.begin(), inputs.end(), 0);
  auto results = pool.submit_bulk(add, inputs, 1);
  ASSERT_EQ(results.size(), inputs.size());
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)].get(), i + 1);
  EXPECT_TRUE(pool.submit_bulk(echo, std::vector<int>()).empty());
  auto voids = pool.submit_bulk([](int) {}, std::vector{1, 2, 3});
  for (auto& each : voids) EXPECT_NO_THROW(each.get());
  auto failed = pool.submit_bulk(throw_standard, std::vector{0, 1});
  EXPECT_THROW(failed[0].get(), std::runtime_error);
  EXPECT_THROW(failed[1].get(), std::invalid_argument);
  expect_all_settled(pool, 2'003, 2, 0);
}

TYPED_TEST(submitting, in_bulk_gives_each_task_its_options) {
  TypeParam pool(1);
  const auto named = [](context& about, int number) {
    return std::string(about.id()) + std::to_string(number);
  };
  auto results = pool.submit_bulk({.id = "all"}, named, std::vector{1, 2});
  EXPECT_EQ(results[0].get(), "all1");
  EXPECT_EQ(results[1].get(), "all2");
}

TYPED_TEST(submitting, in_bulk_where_the_queue_is_full_tells_those_that_were_refused) {
  options_of<TypeParam> options{.workers = {1}, .queue = {.capacity = 5, .when_full = when_full::reject}};
  TypeParam pool(options);
  pool.pause();
  auto results = pool.submit_bulk(echo, std::vector{0, 1, 2, 3, 4, 5, 6});
  ASSERT_EQ(results.size(), 7U);
  EXPECT_EQ(outcome_of(results[5]), error_code::queue_full);
  EXPECT_EQ(outcome_of(results[6]), error_code::queue_full);
  EXPECT_THROW((void)pool.submit_bulk(echo, std::vector{7, 8}), queue_full);
  pool.resume();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i);
  pool.stop();
  EXPECT_THROW((void)pool.submit_bulk(echo, std::vector{9}), pool_stopped);
}

TYPED_TEST(submitting, in_bulk_waits_for_room_where_submit_does) {
  options_of<TypeParam> options{.workers = {2}, .queue = {.capacity = 3}};
  TypeParam pool(options);
  std::vector<int> inputs(500);
  std::iota(inputs.begin(), inputs.end(), 0);
  auto results = pool.submit_bulk(echo, inputs);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)].get(), i);
}

TYPED_TEST(submitting, takes_captureless_lambdas_and_void_functions) {
  TypeParam pool(1);
  EXPECT_EQ(pool.submit([](int x) { return x * x; }, 7).get(), 49);
  EXPECT_NO_THROW(pool.submit(nothing).get());
  EXPECT_NO_THROW(pool.submit([] {}).get());
}

TYPED_TEST(submitting, numbers_tasks_upwards_and_tells_the_task_its_number_and_attempt) {
  TypeParam pool(2);
  std::uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    auto f = pool.submit(number_of);
    EXPECT_GT(f.task(), last);
    last = f.task();
    EXPECT_EQ(f.get(), static_cast<int>(last));
  }
  EXPECT_EQ(pool.submit(attempt_of).get(), 1);
}

TYPED_TEST(submitting, brings_standard_exceptions_as_their_own_type) {
  TypeParam pool(1);
  EXPECT_THROW(pool.submit(throw_standard, 0).get(), std::runtime_error);
  EXPECT_THROW(pool.submit(throw_standard, 1).get(), std::invalid_argument);
  EXPECT_THROW(pool.submit(throw_standard, 2).get(), std::out_of_range);
  EXPECT_THROW(pool.submit(throw_standard, 3).get(), std::logic_error);
  EXPECT_THROW(pool.submit(throw_standard, 4).get(), std::domain_error);
  EXPECT_THROW(pool.submit(throw_standard, 5).get(), std::length_error);
  EXPECT_THROW(pool.submit(throw_standard, 6).get(), std::overflow_error);
  EXPECT_THROW(pool.submit(throw_standard, 8).get(), std::bad_alloc);
  try {
    pool.submit(throw_standard, 7).get();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
    EXPECT_NE(std::string(e.what()).find("seven"), std::string::npos);
  }
  try {
    pool.submit(throw_standard, 1).get();
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(), "one");
  }
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TYPED_TEST(submitting, brings_other_exceptions_as_themselves_or_as_worker_error) {
  TypeParam pool(1);
  auto f = pool.submit(throw_mine);
  if constexpr (has_processes<TypeParam>) {
    try {
      f.get();
      FAIL();
    } catch (const worker_error& e) {
      EXPECT_NE(e.type().find("my_error"), std::string::npos) << e.type();
      EXPECT_EQ(e.text(), "mine");
      EXPECT_GT(e.subject().task, 0U);
      EXPECT_EQ(e.subject().worker, 0U);
      EXPECT_EQ(e.subject().attempt, 1);
    }
    EXPECT_EQ(code_of([&] { pool.submit(throw_int).get(); }), error_code::worker_error);
  } else {
    EXPECT_THROW(f.get(), my_error);
    EXPECT_THROW(pool.submit(throw_int).get(), int);
  }
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
}

TYPED_TEST(submitting, tells_of_a_posts_failure_by_an_event_and_never_of_a_submits) {
  TypeParam pool(1);
  std::atomic<int> told = 0;
  std::mutex mutex;
  std::string text, id;
  pool.on(event_kind::task_failed, [&](const event& e) {
    const std::lock_guard lock(mutex);
    try {
      std::rethrow_exception(e.error);
    } catch (const std::exception& thrown) {
      text = thrown.what();
    }
    id = e.task_id;
    ++told;
  });
  EXPECT_THROW(pool.submit(throw_standard, 0).get(), std::runtime_error);
  scratch files;
  pool.post(note, files("log"), 1);
  pool.post({.id = "mine"}, throw_standard, 1);
  ASSERT_TRUE(eventually([&] { return told == 1; }));
  pool.wait_idle();
  const std::lock_guard lock(mutex);
  EXPECT_EQ(text, "one");
  EXPECT_EQ(id, "mine");
  EXPECT_EQ(lines_of(files("log")).size(), 1U);
}

TYPED_TEST(submitting, maps_in_the_order_of_the_input_at_any_length) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .queue = {.capacity = 16}});
  for (const int count : {0, 1, 15, 16, 17, 500}) {
    std::vector<int> inputs(static_cast<std::size_t>(count));
    std::iota(inputs.begin(), inputs.end(), 0);
    const auto results = pool.map(add, inputs, 1'000).to_vector();
    ASSERT_EQ(results.size(), inputs.size());
    for (int i = 0; i < count; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)], i + 1'000);
  }
}

TYPED_TEST(submitting, maps_unordered_giving_every_result_once) {
  TypeParam pool(3);
  std::vector<int> inputs(500), results;
  std::iota(inputs.begin(), inputs.end(), 0);
  for (int r : pool.map_unordered(echo, inputs)) results.push_back(r);
  std::sort(results.begin(), results.end());
  EXPECT_EQ(results, inputs);
}

TYPED_TEST(submitting, maps_unordered_giving_what_is_done_before_what_is_held) {
  TypeParam pool(2);
  scratch files;
  auto run = [](std::string directory, int which) {
    return which == 0 ? hold(directory + "begun", directory + "gate", 0) : which;
  };
  // The element comes first, so the directory is the extra argument.
  auto results = pool.map_unordered(
      [](int which, std::string directory) {
        return which == 0 ? hold(directory + "begun", directory + "gate", 0) : which;
      },
      std::vector<int>{0, 1, 2, 3}, files(""));
  (void)run;
  std::vector<int> seen;
  auto at = results.begin();
  for (int i = 0; i < 3; ++i, ++at) seen.push_back(*at);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 0);
  touch(files("gate"));
  EXPECT_EQ(*at, 0);
  ++at;
  EXPECT_TRUE(at == results.end());
}

TYPED_TEST(submitting, throws_at_the_element_of_a_map_that_failed_and_goes_on) {
  TypeParam pool(2);
  auto odd_throws = [](int x) {
    if (x % 2 == 1) throw std::out_of_range(std::to_string(x));
    return x;
  };
  int good = 0, bad = 0, next = 0;
  auto results = pool.map(odd_throws, std::vector<int>{0, 1, 2, 3, 4, 5});
  for (auto at = results.begin(); at != results.end(); ++at, ++next) {
    try {
      EXPECT_EQ(*at, next);
      ++good;
    } catch (const std::out_of_range& e) {
      EXPECT_EQ(e.what(), std::to_string(next));
      ++bad;
    }
  }
  EXPECT_EQ(good, 3);
  EXPECT_EQ(bad, 3);
}

TYPED_TEST(submitting, cancels_what_nobody_read_of_a_map) {
  TypeParam pool(1);
  scratch files;
  {
    auto results = pool.map(
        [](int which, std::string directory) {
          if (which == 0) return hold(directory + "begun", directory + "gate", 0);
          return note(directory + "log", which);
        },
        std::vector<int>{0, 1, 2, 3}, files(""));
    ASSERT_TRUE(appears(files("begun")));
  }
  touch(files("gate"));
  pool.wait_idle();
  EXPECT_TRUE(lines_of(files("log")).empty());
}

TYPED_TEST(submitting, runs_an_error_again_only_when_asked_and_at_most_so_often) {
  TypeParam pool(1);
  scratch files;
  const auto retry = [](int attempts) {
    return retry_options{.attempts = attempts, .backoff = {.first = 1ms, .max = 1ms}, .on_error = true};
  };
  std::atomic<int> retried = 0;
  pool.on(event_kind::task_retried, [&](const event& e) {
    EXPECT_TRUE(e.error != nullptr);
    ++retried;
  });
  EXPECT_THROW(pool.submit(fail_before, files("a"), 2U).get(), std::runtime_error);
  EXPECT_EQ(lines_of(files("a")).size(), 1U);
  EXPECT_EQ(pool.submit({.retry = retry(3)}, fail_before, files("b"), 3U).get(), 3);
  EXPECT_EQ(lines_of(files("b")).size(), 3U);
  EXPECT_THROW(pool.submit({.retry = retry(3)}, fail_before, files("c"), 9U).get(), std::runtime_error);
  EXPECT_EQ(lines_of(files("c")).size(), 3U);
  auto only_crashes = retry(3);
  only_crashes.on_error = false;
  EXPECT_THROW(pool.submit({.retry = only_crashes}, fail_before, files("d"), 9U).get(), std::runtime_error);
  EXPECT_EQ(lines_of(files("d")).size(), 1U);
  EXPECT_EQ(pool.stats().retried, 4U);
  EXPECT_TRUE(eventually([&] { return retried == 4; }));
  expect_all_settled(pool, 1, 3, 0);
}

TYPED_TEST(submitting, does_not_block_a_worker_while_a_retry_waits) {
  TypeParam pool(1);
  scratch files;
  auto later = pool.submit(
      {.retry = retry_options{.attempts = 2, .backoff = {.first = 1h, .max = 1h}, .on_error = true}},
      fail_before, files("a"), 2U);
  ASSERT_TRUE(eventually([&] { return pool.stats().waiting == 1; }));
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
  expect_sums(pool.stats());
  later.cancel();
  EXPECT_EQ(outcome_of(later), error_code::cancelled);
  EXPECT_EQ(lines_of(files("a")).size(), 1U);
}

TEST(submitting_to_threads, takes_what_only_moves_and_what_captures) {
  thread_pool pool(1);
  const int here = 5;
  auto f = pool.submit([](std::unique_ptr<int> p) { return std::make_unique<int>(*p + here); },
                       std::make_unique<int>(2));
  EXPECT_EQ(*f.get(), 7);
  int changed = 0;
  pool.submit([](int& x) { x = 9; }, std::ref(changed)).get();
  EXPECT_EQ(changed, 9);
}

TEST(submitting_to_threads, refuses_a_retry_of_arguments_that_only_move) {
  thread_pool pool(thread_options{.workers = {1}, .retry = {.attempts = 2, .on_error = true}});
  EXPECT_THROW((void)pool.submit([](std::unique_ptr<int>) {}, std::make_unique<int>(2)), invalid_options);
}

}  // namespace
}  // namespace muster::test
