// SPDX-License-Identifier: MIT
//
// `muster run --halt`: a run that ends before its input does.
#include <gmock/gmock.h>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using e2e::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

e2e::outcome halted(const std::string& rule, const e2e::words& inputs,
                    const std::string& function = "divide") {
  e2e::words all = {"run", "--json", "--workers", "1", "--jsonl", "--halt", rule, chore(function)};
  std::string lines;
  for (const std::string& each : inputs) lines += each + '\n';
  return e2e::run(all, lines);
}
json summary_of(const e2e::outcome& done) {
  return json::parse(done.errors.substr(done.errors.find("{\"calls\"")));
}

const std::string good = "[1,1]";
const std::string bad = "[1,0]";
e2e::words followed(e2e::words first, std::size_t count) {
  first.insert(first.end(), count, good);
  return first;
}

}  // namespace

TEST(command_halt, soon_begins_nothing_more_after_so_many_failures) {
  const auto done = halted("soon,fail=2", followed({bad, good, bad}, 20'000));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(summary_of(done).at("halted"), "2 calls failed");
  EXPECT_EQ(summary_of(done).at("failed"), 2);
  EXPECT_LT(done.results().size(), 20'000U);
  for (const json& each : done.results())
    if (each.at("index") == 1) {
      EXPECT_EQ(each.at("ok"), true);
    }
}

TEST(command_halt, now_ends_what_runs_too) {
  const auto done = e2e::run({"run", "--json", "--workers", "2", "--grace", "0", "--halt", "now,success=1",
                              "--jsonl", chore("hang_or_echo")},
                             "[\"hang\"]\n[\"a\"]\n");
  EXPECT_EQ(done.exit_code, 0) << done.errors;  // what was wanted is there
  EXPECT_EQ(summary_of(done).at("halted"), "1 call succeeded");
  for (const auto& each : done.results())  // the first may not have begun yet
    if (each.at("index") == 0) {
      EXPECT_EQ(each.at("error").at("kind"), "pool_stopped");
    } else {
      EXPECT_EQ(each.at("value"), "a");
    }
}

TEST(command_halt, a_percentage_is_of_what_is_done_and_not_looked_at_before_three_are) {
  const auto few = halted("soon,fail=50%", {bad, good});
  EXPECT_EQ(summary_of(few).at("halted"), nullptr);
  const auto many = halted("soon,fail=50%", followed({bad, good, bad}, 20'000));
  EXPECT_EQ(summary_of(many).at("halted"), "50 % of the calls failed");
  EXPECT_EQ(many.exit_code, 1);
}

TEST(command_halt, done_counts_all_and_no_rule_is_met_by_fewer) {
  const auto done = halted("soon,done=5", followed({bad}, 20'000));
  EXPECT_EQ(summary_of(done).at("halted"), "5 calls were done");
  EXPECT_EQ(summary_of(halted("now,fail=3", {bad, bad, good})).at("halted"), nullptr);
}

TEST(command_halt, what_is_no_rule_is_told_what_one_is) {
  for (const char* rule :
       {"", "never,fail=1", "soon", "soon,fail", "soon,fail=0", "soon,fail=x", "now,done=5%", "now,fail=101%",
        "now,fail=1.5", "fail=1,soon", "soon,wins=1", "soon,fail=nan%"}) {
    if (*rule == '\0') continue;
    const auto done = e2e::run({"run", "--halt", rule, chore("echo"), "a"});
    EXPECT_EQ(done.exit_code, 2) << rule;
    EXPECT_THAT(done.errors, AllOf(HasSubstr(rule), HasSubstr("soon,fail=3 or now,fail=10%")));
  }
}
