// SPDX-License-Identifier: MIT
// When a run ends before its input does.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/halt.hpp"

namespace muster::cli {
namespace {

using testing::HasSubstr;
using counted = halt_rule::counted;

halt_rule rule(const std::string& text) {
  const auto made = parse_halt(text);
  if (!made) ADD_FAILURE() << text << ": " << made.error();
  return made.value_or(halt_rule());
}
std::string why_no_rule(const std::string& text) {
  const auto made = parse_halt(text);
  return made ? "it is a rule" : made.error();
}

TEST(halt_rule, is_read_from_its_parts) {
  const halt_rule soon = rule("soon,fail=3");
  EXPECT_FALSE(soon.at_once);
  EXPECT_EQ(soon.what, counted::fail);
  EXPECT_EQ(soon.limit, 3);
  EXPECT_FALSE(soon.percent);
  const halt_rule now = rule("now,success=12.5%");
  EXPECT_TRUE(now.at_once);
  EXPECT_EQ(now.what, counted::success);
  EXPECT_EQ(now.limit, 12.5);
  EXPECT_TRUE(now.percent);
  EXPECT_EQ(rule("now,done=100").what, counted::done);
  EXPECT_EQ(rule("soon,fail=1e3").limit, 1'000);
}

TEST(halt_rule, is_reached_by_so_many_of_what_it_counts_and_by_no_fewer) {
  EXPECT_FALSE(rule("soon,fail=3").is_reached(1'000, 2));
  EXPECT_TRUE(rule("soon,fail=3").is_reached(3, 3));
  EXPECT_FALSE(rule("soon,success=3").is_reached(5, 3));
  EXPECT_TRUE(rule("soon,success=3").is_reached(6, 3));
  EXPECT_FALSE(rule("soon,done=3").is_reached(2, 2));
  EXPECT_TRUE(rule("soon,done=3").is_reached(3, 0));
  EXPECT_FALSE(rule("soon,fail=1").is_reached(0, 0));
}

TEST(halt_rule, of_a_percentage_is_of_what_is_done_once_three_are) {
  EXPECT_FALSE(rule("soon,fail=50%").is_reached(0, 0));
  EXPECT_FALSE(rule("soon,fail=50%").is_reached(2, 2));
  EXPECT_TRUE(rule("soon,fail=50%").is_reached(4, 2));
  EXPECT_FALSE(rule("soon,fail=50%").is_reached(5, 2));
  EXPECT_FALSE(rule("soon,success=100%").is_reached(1'000'000, 1));
  EXPECT_TRUE(rule("soon,success=100%").is_reached(1'000'000, 0));
  EXPECT_TRUE(rule("soon,fail=0.1%").is_reached(1'000, 1));
  EXPECT_FALSE(rule("soon,fail=0.1%").is_reached(1'001, 1));
}

TEST(halt_rule, says_by_what_it_was_reached) {
  EXPECT_EQ(rule("soon,fail=1").reason(), "1 call failed");
  EXPECT_EQ(rule("soon,fail=3").reason(), "3 calls failed");
  EXPECT_EQ(rule("now,success=1").reason(), "1 call succeeded");
  EXPECT_EQ(rule("now,done=1").reason(), "1 call was done");
  EXPECT_EQ(rule("now,done=20").reason(), "20 calls were done");
  EXPECT_EQ(rule("now,fail=12.5%").reason(), "12.5 % of the calls failed");
}

TEST(halt_rule, that_is_none_is_refused_with_the_reason_and_with_what_one_is) {
  const auto refused = [](const char* text, const char* why) {
    EXPECT_THAT(why_no_rule(text), HasSubstr(why)) << text;
    EXPECT_THAT(why_no_rule(text), HasSubstr("as in soon,fail=3 or now,fail=10%")) << text;
  };
  for (const char* text : {"", "soon", "soon,fail", "soon=fail,3", "=,"}) refused(text, "not all its parts");
  refused("later,fail=1", "'later' is neither soon nor now");
  refused(",fail=1", "'' is neither soon nor now");
  refused("soon,wins=1", "'wins' is none of fail, success and done");
  for (const char* text : {"soon,fail=", "soon,fail=x", "soon,fail=3x", "soon,fail= 3", "soon,fail=nan",
                           "soon,fail=inf%", "soon,fail=%", "soon,fail=3%%", "soon,fail=1e999"})
    refused(text, "is not a number");
  refused("now,done=5%", "done is a number of calls");
  for (const char* text : {"now,fail=0%", "now,fail=-1%", "now,fail=100.1%"})
    refused(text, "a percentage is above 0 and at most 100");
  for (const char* text : {"now,fail=0", "now,fail=-3", "now,fail=1.5", "now,fail=1e16"})
    refused(text, "a number is whole and at least 1");
}

}  // namespace
}  // namespace muster::cli
