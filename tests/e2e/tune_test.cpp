// SPDX-License-Identifier: MIT
//
// What `muster tune` recommends, shows and refuses. How fast anything is, is not looked at: only what more
// workers change and what they cannot.
#include <gmock/gmock.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using e2e::json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A short sweep, as JSON.
e2e::outcome tuned(e2e::words arguments, const std::string& input = {}) {
  const e2e::words always = {"tune", "--json", "--quiet", "--seconds", "0.3", "--rounds", "1"};
  arguments.insert(arguments.begin(), always.begin(), always.end());
  return e2e::run(arguments, input);
}

json recommendation_of(const e2e::outcome& done) {
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  return done.results().empty() ? json() : done.results().back().at("recommendation");
}

/// The first that says of itself that the machine was quiet; none of a machine that never is.
std::optional<json> quiet_recommendation_of(const e2e::words& arguments) {
  for (int tries = 0; tries < 5; ++tries) {
    json told = recommendation_of(tuned(arguments));
    if (testing::Test::HasFailure() || !told.at("noisy")) return told;
  }
  return std::nullopt;
}

}  // namespace

TEST(command_tune, recommends_more_workers_for_calls_that_wait_and_one_where_only_one_can_go_on) {
  const json wait = recommendation_of(tuned({"--max", "8", chore("doze"), "20"}));
  EXPECT_THAT(wait.at("bound"), AnyOf("waiting", "unclear")) << wait;  // unclear: others have the CPUs
  EXPECT_EQ(wait.at("workers"), 8) << wait;
  const e2e::directory there;
  const auto alone = quiet_recommendation_of(
      {"--max", "8", "--with", json(there.in("lock")).dump(), chore("doze_alone"), "20"});
  if (!alone) GTEST_SKIP() << "others have the machine, so its latencies say nothing";
  EXPECT_EQ(alone->at("workers"), 1) << *alone;
}

TEST(command_tune, tells_calls_that_compute_from_calls_that_wait) {
  const auto done = tuned({"--max", "2", chore("compute"), "1000"});
  const json compute = recommendation_of(done);
  // On a machine that is busy with something else they get less of it, but they never seem to wait.
  EXPECT_NE(compute.at("bound"), "waiting") << done.output;
  EXPECT_GT(done.results().at(0).at("cpus"), 0.1) << done.output;
}

TEST(command_tune, measures_each_size_with_its_memory_and_its_latency) {
  const auto done = tuned({"--min", "2", "--max", "5", chore("doze"), "5"});
  const auto results = done.results();
  ASSERT_EQ(results.size(), 4U) << done.output << done.errors;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(results[i].at("workers"), std::vector({2, 4, 5})[i]);
    EXPECT_EQ(results[i].at("rounds"), 1);
    EXPECT_GT(results[i].at("calls"), 0);
    EXPECT_EQ(results[i].at("failed"), 0);
    EXPECT_GT(results[i].at("memory"), 0);
    EXPECT_GT(results[i].at("p50"), 0.001);
    EXPECT_GE(results[i].at("p99"), results[i].at("p50"));
  }
  EXPECT_EQ(results[3].at("interrupted"), false);
}

TEST(command_tune, measures_several_calls_at_once_too) {
  const auto done = tuned({"--max", "1", "--at-once", "4,1", chore("doze"), "20"});
  const json best = recommendation_of(done);
  EXPECT_EQ(done.results().size(), 3U) << done.output;
  EXPECT_EQ(best.at("workers"), 1);
  EXPECT_EQ(best.at("at_once"), 4) << done.output;
}

TEST(command_tune, shows_a_table_and_draws_a_picture) {
  const e2e::directory there;
  const auto done = e2e::run({"tune", "--max", "2", "--seconds", "0.1", "--rounds", "2", "--svg",
                              there.in("out.svg"), chore("doze"), ":::", "1", "2"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(done.output, AllOf(HasSubstr("workers  calls/s"), ContainsRegex("\n\\* +[12] "),
                                 ContainsRegex("\n\\* [12] workers?: [0-9,.]+ calls/s, as the calls")));
  EXPECT_THAT(
      done.errors,
      AllOf(HasSubstr("2 sizes from 1 worker to 2 workers, in 2 rounds of 0.1 s each: about 0.5 s"),
            HasSubstr("each of 2 inputs is called again and again"), HasSubstr("round 2 of 2, 1 worker: ")));
  EXPECT_THAT(e2e::text_of(there.in("out.svg")), AllOf(StartsWith("<svg "), HasSubstr("chores.so:doze")));
}

TEST(command_tune, runs_a_command_for_lines_of_its_input) {
  const auto done = tuned({"--max", "2", "--", "echo", "{}"}, "a\nb\n");
  EXPECT_GT(recommendation_of(done).at("workers"), 0);
  EXPECT_GT(done.results().at(0).at("cpus"), 0) << "of processes that have ended";
}

TEST(command_tune, ends_by_ctrl_c_with_what_was_measured) {
  e2e::running command({"tune", "--seconds", "0.1", "--rounds", "99", "--max", "2", chore("doze"), "1"});
  command.wait_for_message("round 1 of 99, 2 workers: ");
  command.signal(SIGINT);
  EXPECT_EQ(command.wait(), 130);
  EXPECT_THAT(command.output(), AllOf(HasSubstr("workers  calls/s"), ContainsRegex("\n\\* [12] worker")));
  EXPECT_THAT(command.errors(), Not(HasSubstr("round 99")));
}

TEST(command_tune, ends_by_ctrl_c_before_anything_was_measured) {
  const e2e::directory there;
  const std::string gate = there.pipe("gate");
  e2e::running command({"tune", "--json", "--drain", "0", "--grace", "0", chore("wait_for_pipe"), gate});
  const int writer = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);  // waits until a call has begun
  command.signal(SIGINT);
  EXPECT_EQ(command.wait(), 130);
  ::close(writer);
  EXPECT_EQ(command.output(), "{\"recommendation\":null,\"interrupted\":true}\n");
}

TEST(command_tune, says_why_no_call_succeeds) {
  const auto thrown = tuned({"--with", "0", chore("divide"), "1"});
  EXPECT_EQ(thrown.exit_code, 1);
  EXPECT_THAT(thrown.errors, HasSubstr("no call succeeds: division by zero"));
  const auto slow = tuned({"--drain", "0", "--grace", "0", chore("hang"), "x"});
  EXPECT_EQ(slow.exit_code, 1);
  EXPECT_THAT(slow.errors, HasSubstr("no call was done within 0.3 s; measure longer, with --seconds"));
}

TEST(command_tune, refuses_what_cannot_be_measured_all_at_once) {
  const auto wrong =
      e2e::run({"tune", "--min", "9", "--max", "4", "--at-once", "0", "--rounds", "100", chore("doze"), "1"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.errors, AllOf(HasSubstr("--min 9: must not be above --max, which is 4"),
                                  HasSubstr("--at-once 0: must be from 1 to 64"),
                                  HasSubstr("--rounds 100: must be from 1 to 99")));
  EXPECT_THAT(tuned({"--svg", "/nowhere/out.svg", chore("doze"), "1"}).errors,
              HasSubstr("'/nowhere/out.svg' cannot"));
  EXPECT_THAT(tuned({chore("doze"), "x"}).errors, HasSubstr("doze(i32) -> i32"));
  EXPECT_THAT(tuned({chore("nothing_of_the_kind"), "x"}).errors,
              HasSubstr("has no function 'nothing_of_the_kind'"));
  EXPECT_THAT(tuned({"--lines", chore("doze")}).errors, HasSubstr("there are no inputs"));
  EXPECT_EQ(tuned({"--lines", chore("doze")}).exit_code, 2);
}

TEST(command_tune, takes_options_of_the_pool_from_where_a_run_takes_them) {
  const auto done = tuned({"--max", "1", "--set", "workers.at_once=3", chore("doze"), "1"});
  EXPECT_EQ(done.results().at(0).at("at_once"), 3) << done.errors;
  EXPECT_THAT(tuned({"--set", "no.such=1", chore("doze"), "1"}).errors, HasSubstr("--set no.such=1"));
}
