// SPDX-License-Identifier: MIT
// Failures on both pools: retries that ask, breakers, dead letters.
#include <atomic>
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// Throws until it has run so often.
int works_at(std::string log, int run) {
  append(log, "ran");
  const auto runs = static_cast<int>(lines_of(log).size());
  if (runs < run) throw std::runtime_error("run " + std::to_string(runs));
  return runs;
}
int throws(std::string text) { throw std::invalid_argument(text); }
struct hopeless : std::runtime_error {
  using runtime_error::runtime_error;
};
int gives_up(std::string log) {
  append(log, "ran");
  throw hopeless("nothing helps");
}
// Waits for its stop token in the first run.
int slow_once(std::stop_token stop, std::string log) {
  append(log, "ran");
  const auto runs = static_cast<int>(lines_of(log).size());
  if (runs > 1) return runs;
  if (!eventually([&] { return stop.stop_requested(); })) throw std::logic_error("no stop came");
  throw std::runtime_error("was told to stop");
}

constexpr backoff_options at_once{.first = 1ms, .max = 1ms};

template <class Pool>
struct failing : testing::Test {};
TYPED_TEST_SUITE(failing, both_pools, pool_names);

TYPED_TEST(failing, a_predicate_that_may_be_slow_decides_whether_a_task_runs_again) {
  TypeParam pool(1);
  scratch files;
  std::atomic<int> asked{0};
  const retry_options retry{.attempts = 9, .backoff = at_once, .when = [&](const std::exception_ptr& error) {
                              ++asked;
                              EXPECT_TRUE(error_kind::of<std::runtime_error>().matches(error));
                              EXPECT_EQ(pool.submit(echo, 5).get(), 5) << "the pool goes on meanwhile";
                              return asked < 2;
                            }};
  auto f = pool.submit({.retry = retry}, works_at, files("log"), 9);
  EXPECT_THROW((void)f.get(), std::runtime_error);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(lines_of(files("log")).size(), 2u);
}

TYPED_TEST(failing, a_predicate_that_throws_fails_the_task_with_its_own_error) {
  TypeParam pool(1);
  scratch files;
  const retry_options retry{.attempts = 9, .when = [](const std::exception_ptr&) -> bool { throw 7; }};
  auto f = pool.submit({.retry = retry}, throws, std::string("its own"));
  EXPECT_THROW((void)f.get(), std::invalid_argument);
  expect_all_settled(pool, 0, 1, 0);
}

TYPED_TEST(failing, what_is_permanent_is_not_tried_again_and_a_type_of_ones_own_is_known_from_a_process_too) {
  TypeParam pool(1);
  scratch files;
  const retry_options retry{.attempts = 5,
                            .backoff = at_once,
                            .on_error = true,
                            .permanent = {error_kind::of<hopeless>(), error_code::invalid_call}};
  auto f = pool.submit({.retry = retry}, gives_up, files("a"));
  EXPECT_ANY_THROW((void)f.get());
  EXPECT_EQ(lines_of(files("a")).size(), 1u);
  EXPECT_EQ(pool.submit({.retry = retry}, works_at, files("b"), 3).get(), 3) << "others are";
}

TYPED_TEST(failing, after_a_run_timeout_a_task_runs_again_when_its_first_attempt_is_over) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .grace = watchdog});
  scratch files;
  const retry_options retry{.attempts = 2, .backoff = at_once, .on_timeout = true};
  EXPECT_EQ(pool.submit({.run_timeout = 200ms, .retry = retry}, slow_once, files("log")).get(), 2);
  EXPECT_EQ(pool.stats().retried, 1u);
}

// S130
TYPED_TEST(failing, a_retry_says_how_many_are_left) {
  TypeParam pool(1);
  scratch files;
  std::mutex mutex;
  std::vector<std::string> said;
  pool.on(event_kind::task_retried, [&](const event& e) {
    const std::lock_guard lock(mutex);
    said.push_back(e.text);
  });
  const retry_options retry{.attempts = 3, .backoff = at_once, .on_error = true};
  EXPECT_EQ(pool.submit({.id = "job", .retry = retry}, works_at, files("log"), 3).get(), 3);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return said.size() == 2;
  }));
  const std::lock_guard lock(mutex);
  EXPECT_NE(said.at(0).find("task 1 (job) runs again after attempt 1 (2 left)"), std::string::npos)
      << said.at(0);
  EXPECT_NE(said.at(1).find("(1 left)"), std::string::npos) << said.at(1);
}

// S119
TYPED_TEST(failing, a_breaker_refuses_tasks_at_once_when_too_many_before_them_failed) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .breaker = breaker_options{.open_for = 1h}});
  std::atomic<int> opened{0};
  pool.on(event_kind::circuit_opened, [&](const event&) { ++opened; });
  for (int i = 0; i < 5; ++i) {
    auto f = pool.submit(throws, std::string("again"));
    EXPECT_THROW((void)f.get(), std::invalid_argument) << i;
  }
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::circuit_open);
  EXPECT_EQ(code_of([&] { pool.post(nothing); }), error_code::circuit_open);
  const stats s = pool.stats();
  EXPECT_EQ(s.rejected, 2u);
  ASSERT_EQ(s.breakers.size(), 1u);
  EXPECT_EQ(s.breakers[0].state, breaker_state::open);
  EXPECT_EQ(s.breakers[0].refused, 2u);
  EXPECT_TRUE(eventually([&] { return opened == 1; }));
}

TYPED_TEST(failing, a_breaker_closes_again_by_a_task_that_succeeds) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .breaker = breaker_options{.failures = 1, .open_for = 1ms}});
  auto f = pool.submit(throws, std::string("once"));
  EXPECT_THROW((void)f.get(), std::invalid_argument);
  int got = 0;
  EXPECT_TRUE(eventually([&] {
    try {
      got = pool.submit(echo, 3).get();
      return true;
    } catch (const circuit_open&) {
      return false;
    }
  }));
  EXPECT_EQ(got, 3);
  EXPECT_EQ(pool.stats().breakers.at(0).state, breaker_state::closed);
}

TYPED_TEST(failing, a_breaker_for_a_label_leaves_other_labels_alone) {
  TypeParam pool(options_of<TypeParam>{.workers = {1},
                                       .breaker_per_label = breaker_options{.failures = 1, .open_for = 1h}});
  auto f = pool.submit({.label = "bad"}, throws, std::string("once"));
  EXPECT_THROW((void)f.get(), std::invalid_argument);
  EXPECT_EQ(code_of([&] { (void)pool.submit({.label = "bad"}, echo, 1); }), error_code::circuit_open);
  EXPECT_EQ(pool.submit({.label = "good"}, echo, 1).get(), 1);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TYPED_TEST(failing, dead_letters_are_listed_and_run_again_with_what_they_had) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .dead_letters = 10});
  scratch files;
  auto f = pool.submit({.id = "job", .label = "kind"}, works_at, files("log"), 3);
  EXPECT_THROW((void)f.get(), std::runtime_error);
  auto letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].id, "job");
  EXPECT_EQ(letters[0].label, "kind");
  EXPECT_EQ(letters[0].why, dead_letter::reason::failed);
  EXPECT_EQ(letters[0].attempts, 1);
  EXPECT_EQ(letters[0].text, "run 1");
  EXPECT_TRUE(letters[0].can_resubmit);

  EXPECT_EQ(code_of([&] { (void)pool.template resubmit<std::string>(letters[0].task); }),
            error_code::invalid_call);
  auto again = pool.template resubmit<int>(letters[0].task);
  EXPECT_THROW((void)again.get(), std::runtime_error);
  letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 1u) << "it is a letter again";
  EXPECT_EQ(letters[0].id, "job");
  EXPECT_EQ(letters[0].text, "run 2");
  EXPECT_EQ(pool.template resubmit<int>(letters[0].task).get(), 3);
  EXPECT_TRUE(pool.dead_letters().empty());
}

TYPED_TEST(failing, dead_letters_run_again_like_posts_where_nobody_wants_a_result_and_are_few) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .dead_letters = 2});
  scratch files;
  pool.on(event_kind::task_failed, [](const event&) {});
  for (int i = 0; i < 5; ++i) pool.post(works_at, files(std::to_string(i)), 2);
  pool.wait_idle();
  const auto letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_GT(pool.resubmit(letters[1].task), letters[1].task);
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("4")).size(), 2u);
  EXPECT_TRUE(pool.discard(letters[0].task));
  EXPECT_FALSE(pool.discard(letters[0].task));
  EXPECT_EQ(code_of([&] { pool.resubmit(letters[0].task); }), error_code::invalid_call);
  EXPECT_EQ(pool.stats().dead_letters, 0u);
}

TYPED_TEST(failing, a_letter_that_the_pool_does_not_take_back_stays_one) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {1}, .queue = {.capacity = 1, .when_full = when_full::reject}, .dead_letters = 10});
  auto f = pool.submit(throws, std::string("once"));
  EXPECT_THROW((void)f.get(), std::invalid_argument);
  const auto number = pool.dead_letters().at(0).task;
  {
    blocker busy(pool);
    auto waits = pool.submit(echo, 1);
    EXPECT_EQ(code_of([&] { pool.resubmit(number); }), error_code::queue_full);
    EXPECT_EQ(pool.dead_letters().at(0).task, number);
    busy.open();
    EXPECT_EQ(waits.get(), 1);
  }
  auto again = pool.template resubmit<int>(number);
  EXPECT_THROW((void)again.get(), std::invalid_argument);
}

TEST(failing_threads, a_letter_whose_arguments_can_only_be_moved_is_listed_and_cannot_run_again) {
  thread_pool pool(thread_options{.workers = {1}, .dead_letters = 10});
  auto f =
      pool.submit([](std::unique_ptr<int>) { throw std::runtime_error("once"); }, std::make_unique<int>(1));
  EXPECT_THROW(f.get(), std::runtime_error);
  const auto letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_FALSE(letters[0].can_resubmit);
  EXPECT_EQ(code_of([&] { pool.resubmit(letters[0].task); }), error_code::invalid_call);
  EXPECT_EQ(pool.dead_letters().size(), 1u);
}

TYPED_TEST(failing, options_about_failures_are_checked_and_all_problems_told_at_once) {
  options_of<TypeParam> bad;
  bad.retry.backoff.jitter = static_cast<jitter>(9);
  bad.breaker = breaker_options{.failures = std::nullopt, .window = 0s, .least_calls = 0, .probes = 0};
  bad.breaker_per_label = breaker_options{.failures = 0, .failure_rate = 1.5, .slow = 0s, .open_for = 0s};
  bad.dead_letters = 2'000'000;
  std::vector<std::string> wanted{"retry.backoff.jitter = 9",
                                  "breaker.failures = std::nullopt",
                                  "breaker.window",
                                  "breaker.least_calls = 0",
                                  "breaker.probes = 0",
                                  "breaker_per_label.failures = 0",
                                  "breaker_per_label.failure_rate = 1.5",
                                  "breaker_per_label.slow",
                                  "breaker_per_label.open_for",
                                  "dead_letters = 2000000"};
  if constexpr (has_processes<TypeParam>) {
    bad.restart.limit = 0;
    bad.restart.window = 0s;
    bad.restart.cool_down = 0s;
    bad.quarantine = quarantine_options{.deaths = 0, .window = 0s, .stay = 0s, .mass_within = 0s};
    for (const char* more :
         {"restart.limit = 0", "restart.window", "restart.cool_down", "quarantine.deaths = 0",
          "quarantine.window", "quarantine.stay", "quarantine.mass_within"})
      wanted.emplace_back(more);
  }
  try {
    const TypeParam pool(bad);
    FAIL();
  } catch (const invalid_options& e) {
    for (const auto& line : wanted)
      EXPECT_NE(std::string(e.what()).find(line), std::string::npos) << line << " is not in:\n" << e.what();
  }
}

}  // namespace
}  // namespace muster::test
