// SPDX-License-Identifier: MIT
// The small pure questions: how long to wait, whether again, who gets it.
#include <gtest/gtest.h>

#include <array>

#include "policy/backoff.hpp"
#include "policy/retry.hpp"

namespace muster::policy {
namespace {

TEST(backoff, doubles_from_the_first_pause_up_to_the_longest) {
  base::random dice(1);
  const backoff_options o{.first = 100ms, .max = 1s, .jitter = jitter::none};
  const std::array wanted{100ms, 200ms, 400ms, 800ms, 1'000ms, 1'000ms};
  for (std::size_t n = 0; n < wanted.size(); ++n)
    EXPECT_EQ(pause(o, static_cast<int>(n) + 1, dice), wanted[n]);
  EXPECT_EQ(pause(o, 1'000'000, dice), 1s);
}

TEST(backoff, jitter_draws_from_the_upper_half) {
  base::random dice(7);
  const backoff_options o{.first = 1s, .max = 1s, .jitter = jitter::equal};
  duration least = 1h, most{};
  for (int i = 0; i < 10'000; ++i) {
    const duration p = pause(o, 3, dice);
    ASSERT_GE(p, 500ms);
    ASSERT_LE(p, 1s);
    least = std::min(least, p);
    most = std::max(most, p);
  }
  EXPECT_LT(least, 510ms);
  EXPECT_GT(most, 990ms);
}

TEST(backoff, full_jitter_draws_from_all_of_the_pause) {
  base::random dice(7);
  const backoff_options o{.first = 1s, .max = 1s, .jitter = jitter::full};
  duration least = 1h, most{};
  for (int i = 0; i < 10'000; ++i) {
    const duration p = pause(o, 3, dice);
    ASSERT_GE(p, 0s);
    ASSERT_LE(p, 1s);
    least = std::min(least, p);
    most = std::max(most, p);
  }
  EXPECT_LT(least, 10ms);
  EXPECT_GT(most, 990ms);
}

TEST(backoff, a_limit_without_end_does_not_overflow) {
  base::random dice(1);
  const backoff_options o{.first = 100ms, .max = duration::max(), .jitter = jitter::none};
  duration before{};
  for (int n = 1; n < 100; ++n) {
    const duration p = pause(o, n, dice);
    ASSERT_GE(p, before);
    before = p;
  }
  EXPECT_EQ(before, duration::max());
}

TEST(backoff, no_pause_stays_none) {
  base::random dice(1);
  EXPECT_EQ(pause({.first = 0ms, .max = 1s}, 1'000'000'000, dice), 0ms);
}

TEST(retry, counts_attempts_and_asks_what_failed) {
  const retry_options o{.attempts = 3, .on_crash = true, .on_error = false};
  EXPECT_TRUE(run_again(o, failure::crash, 1));
  EXPECT_TRUE(run_again(o, failure::crash, 2));
  EXPECT_FALSE(run_again(o, failure::crash, 3));
  EXPECT_FALSE(run_again(o, failure::error, 1));
  const retry_options errors{.attempts = 2, .on_crash = false, .on_error = true};
  EXPECT_TRUE(run_again(errors, failure::error, 1));
  EXPECT_FALSE(run_again(errors, failure::crash, 1));
  for (const failure never : {failure::timeout, failure::permanent})
    EXPECT_FALSE(run_again(errors, never, 1));
}

TEST(retry, after_a_timeout_needs_to_be_asked_for) {
  EXPECT_FALSE(run_again({.attempts = 2, .on_error = true}, failure::timeout, 1));
  EXPECT_TRUE(run_again({.attempts = 2, .on_timeout = true}, failure::timeout, 1));
  EXPECT_FALSE(run_again({.attempts = 2, .on_timeout = true}, failure::timeout, 2));
}

TEST(retry, a_predicate_is_asked_about_errors_but_not_about_what_is_refused) {
  const auto yes = [](const std::exception_ptr&) { return true; };
  EXPECT_TRUE(run_again({.attempts = 2, .when = yes}, failure::error, 1));
  EXPECT_FALSE(run_again({.attempts = 2, .on_crash = false, .when = yes}, failure::crash, 1));
  EXPECT_FALSE(run_again({.attempts = 2, .when = yes}, failure::permanent, 1));
}

TEST(retry, permanent_failures_are_known_by_code_and_by_type) {
  const retry_options o{.permanent = {error_code::out_of_memory, error_kind::of<std::logic_error>()}};
  const auto made = [](auto e) { return std::make_exception_ptr(e); };
  EXPECT_TRUE(is_permanent(o, made(std::invalid_argument("derived"))));
  EXPECT_TRUE(is_permanent(o, made(out_of_memory(death{}, {}))));
  EXPECT_TRUE(is_permanent(o, made(worker_error("std::logic_error", "from afar", ""))));
  EXPECT_FALSE(is_permanent(o, made(worker_error("other", "from afar", ""))));
  EXPECT_FALSE(is_permanent(o, made(unexpected_exit(death{}, {}))));
  EXPECT_FALSE(is_permanent(o, made(std::runtime_error("another"))));
  EXPECT_FALSE(is_permanent(o, made(7)));
  EXPECT_FALSE(is_permanent({}, made(std::logic_error("nothing is permanent"))));
}

TEST(retry, the_default_is_never_again) { EXPECT_FALSE(run_again({}, failure::crash, 1)); }

TEST(backoff, is_never_longer_than_the_longest) {
  base::random dice(1);
  EXPECT_EQ(pause({.first = 10s, .max = 1s, .jitter = jitter::none}, 1, dice), 1s);
}

}  // namespace
}  // namespace muster::policy
