// SPDX-License-Identifier: MIT
#include <limits>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <muster/error.hpp>

#include "pool/check_options.hpp"

namespace muster::test {
namespace {

using testing::HasSubstr;
using testing::Not;

template <class Options>
std::string problems_of(const Options& options) {
  try {
    (void)pool::check(options);
  } catch (const invalid_options& e) {
    return e.what();
  }
  return {};
}

std::string options_in(const std::string& text) {
  std::string names;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);  // what they are of
  while (std::getline(lines, line)) names += line.substr(0, line.find(' ')) + ' ';
  return names;
}

TEST(checked_options, are_all_named_in_the_order_in_which_they_are_declared) {
  process_options bad;
  bad.faults = {{.number = 65}};
  bad.stop = {{.signal = 99}, {.patience = -1s}};
  bad.ready_timeout = 0s;
  bad.limits = {.memory = 1, .nice = 20};
  bad.dead_letters = 2'000'000;
  bad.breaker = breaker_options{.failures = std::nullopt, .window = 0s};
  bad.queue = {.capacity = 3'000'000'000, .patience = 0s, .keys = {{"", {.at_once = 0}}}};
  bad.scaling.up_at = 1.0;
  bad.workers = {.min = 5, .max = 4, .at_once = 65};
  EXPECT_EQ(options_in(problems_of(bad)),
            "workers.max workers.at_once scaling.up_at queue.capacity queue.patience "
            "queue.keys[0].second.at_once queue.keys[0].first breaker.failures breaker.window dead_letters "
            "limits.memory limits.nice stop[1].patience stop[0].signal ready_timeout faults[0].number ");
}

TEST(checked_options, are_told_with_value_range_and_advice) {
  thread_options bad;
  bad.workers.min = 5'000;
  bad.retry.attempts = 0;
  bad.grace = -1'500us;
  bad.choose.weights = {1, -1};
  bad.queue.when_full = static_cast<when_full>(9);
  bad.report.every = 0s;
  bad.nice = 20;
  const std::string text = problems_of(bad);
  for (const char* line :
       {"workers.min = 5000: range 0..4096; std::nullopt: all usable CPUs for threads",
        "retry.attempts = 0: range 1..1000; 1 means never again", "grace = -1500us: 0 or more",
        "choose.weights[1] = -1: range 0..1000000; 0 is never given a task",
        "queue.when_full = 9: known: wait, reject, caller_runs, drop_oldest, drop_newest",
        "report.every = 0s: at least 1ms; 5s is usual; std::nullopt: no reports",
        "nice = 20: range 0..19; 0 is as urgent as the thread that starts it"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(checked_options, may_have_the_ends_of_their_ranges_and_nothing_beyond) {
  const auto tasks = [](std::uint64_t n) { return problems_of(process_options{.limits = {.tasks = n}}); };
  EXPECT_EQ(tasks(1), "");
  EXPECT_EQ(tasks(std::uint64_t{1} << 63U), "");
  EXPECT_THAT(tasks((std::uint64_t{1} << 63U) + 1), HasSubstr("range 1..2^63"));
  EXPECT_THAT(tasks(0), HasSubstr("range 1..2^63"));
  const auto queue = [](queue_options o) { return problems_of(thread_options{.queue = std::move(o)}); };
  EXPECT_EQ(queue({.capacity = std::size_t{1} << 31U}), "");
  EXPECT_EQ(queue({.capacity = queue_options::automatic}), "");
  EXPECT_THAT(queue({.capacity = queue_options::automatic - 1}), HasSubstr("0..2^31, or automatic"));
  EXPECT_EQ(queue({.ageing = 24h}), "");
  EXPECT_THAT(queue({.ageing = 24h + 1ns}), HasSubstr("1ms..24h"));
  const auto part = [](double d) { return problems_of(thread_options{.scaling = {.up_at = d}}); };
  EXPECT_EQ(part(0.5), "");
  for (const double d :
       {0.0, 1.0, -0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_THAT(part(d), HasSubstr("above 0 and below 1")) << d;
  const auto breaker = [](double d) {
    return problems_of(thread_options{.breaker = breaker_options{.failure_rate = d}});
  };
  EXPECT_EQ(breaker(1), "");
  EXPECT_THAT(breaker(0), HasSubstr("above 0, at most 1"));
  EXPECT_THAT(breaker(1.01), HasSubstr("breaker.failure_rate = 1.01"));
}

TEST(checked_options, that_are_out_of_range_are_not_blamed_for_others_as_well) {
  process_options bad;
  bad.limits = {.memory = 1, .memory_soft = 2};
  EXPECT_EQ(options_in(problems_of(bad)), "limits.memory limits.memory_soft ");
  bad.limits = {.memory = 64_MiB, .memory_soft = 64_MiB};
  EXPECT_THAT(problems_of(bad), HasSubstr("limits.memory_soft = 64MiB: must be below limits.memory (64MiB)"));
}

}  // namespace
}  // namespace muster::test
