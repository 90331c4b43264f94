// SPDX-License-Identifier: MIT
// JSON of strangers, before anything is done with it.
#include <string>

#include <gtest/gtest.h>

#include "cli/json_text.hpp"

namespace muster::cli {
namespace {

std::string brackets(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }
std::string why_no_json(std::string_view text) {
  const auto made = parse_json(text);
  return made ? "it is JSON" : made.error();
}

TEST(json_of_strangers, may_nest_256_levels_deep_and_no_deeper) {
  EXPECT_TRUE(parse_json(brackets(256)));
  EXPECT_EQ(why_no_json(brackets(257)), "this nests deeper than 256 levels");
  EXPECT_EQ(why_no_json(brackets(10'000'000)), "this nests deeper than 256 levels");
  EXPECT_EQ(why_no_json(std::string(1'000'000, '{')), "this nests deeper than 256 levels");
  EXPECT_TRUE(parse_json("[" + brackets(255) + "," + brackets(255) + "]")) << "beside each other";
}

TEST(json_of_strangers, may_have_any_brackets_in_its_strings) {
  EXPECT_TRUE(parse_json('"' + std::string(1'000, '[') + '"'));
  EXPECT_TRUE(parse_json(R"({"a\"[\\":")" + std::string(1'000, '{') + "\"}"));
}

TEST(json_of_strangers, ends_where_its_text_does) {
  EXPECT_EQ(why_no_json({"[1]\0]", 5}), "this is not JSON");
  EXPECT_EQ(why_no_json({"[1]\0", 4}), "this is not JSON");
  EXPECT_EQ(why_no_json({"\0", 1}), "this is not JSON");
  EXPECT_TRUE(parse_json(R"("\u0000")"));
  for (const char* text : {"", " ", "]", "[1,]", "{'a':1}", "nul", "01", "\"\xff\"", "1 2"})
    EXPECT_EQ(why_no_json(text), "this is not JSON") << text;
}

}  // namespace
}  // namespace muster::cli
