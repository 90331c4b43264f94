// SPDX-License-Identifier: MIT
#include "base/log_text.hpp"

#include <gtest/gtest.h>

#include <muster/log.hpp>

namespace muster::base {
namespace {

TEST(log_text, is_cut_to_its_bound_and_never_inside_a_letter) {
  EXPECT_EQ(cut_text("short"), "short");
  EXPECT_EQ(cut_text(std::string(longest_log_text, 'x')).size(), longest_log_text);
  for (std::size_t lead = 0; lead < 4; ++lead) {
    std::string text(lead, 'x');
    while (text.size() < 2 * longest_log_text) text += "ü";
    const std::string cut = cut_text(text);
    EXPECT_LE(cut.size(), longest_log_text);
    const auto end = cut.find("… [cut: ");
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ((end - lead) % 2, 0U) << lead;
    EXPECT_TRUE(cut.ends_with(std::to_string(text.size() - end) + " bytes]"));
  }
}

TEST(log_text, says_where_it_was_said) {
  EXPECT_EQ(place_tag("p", 3, 17, "id"), "[p-3 task 17 (id)]");
  EXPECT_EQ(place_tag("p", -1, 0, "id"), "[p]");
  EXPECT_EQ(place_tag("p", 0, 1, ""), "[p-0 task 1]");
  EXPECT_EQ(tag_lines("[t]", "a\n\nb"), "[t] a\n[t] \n[t] b\n");
  EXPECT_EQ(tag_lines("[t]", ""), "");
}

TEST(log_text, of_a_line_has_its_level_and_what_was_lost) {
  log_line line{.level = log_level::warning, .text = "text", .pool = "p", .worker = 1U, .task = 2};
  EXPECT_EQ(line.line(), "[p-1 task 2] warning: text");
  line.dropped = 5;
  EXPECT_EQ(line.line(), "[p-1 task 2] (5 lines before this one were lost) warning: text");
  EXPECT_EQ(name(log_level::debug), "debug");
  EXPECT_EQ(name(static_cast<log_level>(9)), "unknown");
}

}  // namespace
}  // namespace muster::base
