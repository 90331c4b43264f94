// SPDX-License-Identifier: MIT
#include <muster/json.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <variant>

#include "host/utf8.hpp"
#include "kit/pools.hpp"

namespace muster::test {
namespace {

template <class T>
T read(const std::string& text) {
  return from_json<T>(json{.text = text, .attachments = {}});
}
template <class T>
std::string why_not(const std::string& text) {
  try {
    static_cast<void>(read<T>(text));
  } catch (const decode_error& e) {
    return e.what();
  }
  return "it is one";
}
bool is_json(const std::string& text) {
  try {
    json_reader in(text);
    in.skip();
    in.finish();
    return true;
  } catch (const decode_error&) {
    return false;
  }
}

struct node_of_list {
  int value = 0;
  std::vector<node_of_list> next{};
};

}  // namespace
}  // namespace muster::test

template <>
struct muster::fields<muster::test::node_of_list> {
  static constexpr auto list = std::make_tuple(field("value", &muster::test::node_of_list::value),
                                               field("next", &muster::test::node_of_list::next));
};

namespace muster::test {
namespace {

TEST(json_text, is_written_as_it_is_documented) {
  EXPECT_EQ(to_json(true).text, "true");
  EXPECT_EQ(to_json(-5).text, "-5");
  EXPECT_EQ(to_json(0.1).text, "0.1");
  EXPECT_EQ(to_json(1e300).text, "1e+300");
  EXPECT_EQ(to_json("a\"\\\n\x01").text, R"("a\"\\\n\u0001")");
  EXPECT_EQ(to_json(std::vector{1, 2}).text, "[1,2]");
  EXPECT_EQ(to_json(std::set<std::string>{"b", "a"}).text, R"(["a","b"])");
  EXPECT_EQ(to_json(std::array{true, false}).text, "[true,false]");
  EXPECT_EQ(to_json(std::map<std::string, int>{{"a", 1}, {"b", 2}}).text, R"({"a":1,"b":2})");
  EXPECT_EQ(to_json(std::map<int, int>{{1, 2}}).text, "[[1,2]]");
  EXPECT_EQ(to_json(std::tuple(1, "x")).text, R"([1,"x"])");
  EXPECT_EQ(to_json(std::optional<int>()).text, "null");
  EXPECT_EQ(to_json(std::chrono::milliseconds(5)).text, "5");
  EXPECT_EQ(to_json(std::filesystem::path("/tmp")).text, R"("/tmp")");
  EXPECT_EQ(to_json(node_of_list{.value = 1, .next = {{.value = 2, .next = {}}}}).text,
            R"({"value":1,"next":[{"value":2,"next":[]}]})");
  const json bytes = to_json(std::pair(std::vector<std::byte>(2), std::vector<std::byte>(3)));
  EXPECT_EQ(bytes.text, R"([{"$bytes":0},{"$bytes":1}])");
  EXPECT_EQ(bytes.attachments.at(1).size(), 3U);
}

TEST(json_text, of_somebody_else_is_one_line_and_must_be_json) {
  EXPECT_EQ(to_json(json{.text = "[1,\n2]", .attachments = {}}).text, "[1, 2]");
  EXPECT_THROW((void)to_json(json{.text = "[1", .attachments = {}}), encode_error);
  EXPECT_THROW((void)to_json(json{.text = "1 2", .attachments = {}}), encode_error);
  EXPECT_THROW((void)to_json(json{.text = "", .attachments = {}}), encode_error);
}

TEST(json_text, has_no_form_for_what_is_no_number_or_no_text) {
  EXPECT_THROW((void)to_json(std::numeric_limits<double>::quiet_NaN()), encode_error);
  EXPECT_THROW((void)to_json(-std::numeric_limits<float>::infinity()), encode_error);
  EXPECT_THROW((void)to_json(std::string("\xc3")), encode_error);
}

TEST(json_text, is_read_as_the_numbers_that_are_asked_for) {
  EXPECT_EQ(read<int>(" 5 "), 5);
  EXPECT_EQ(read<int>("5.0"), 5);
  EXPECT_EQ(read<int>("5e2"), 500);
  EXPECT_EQ(read<std::uint64_t>("18446744073709551615"), 18446744073709551615U);
  EXPECT_EQ(read<std::int8_t>("-128"), -128);
  EXPECT_EQ(read<double>("1"), 1.0);
  EXPECT_EQ(why_not<std::int8_t>("128"), "128 is no integer from -128 to 127 (at byte 3)");
  EXPECT_EQ(why_not<unsigned>("-1"), "-1 is no integer from 0 to 4294967295 (at byte 2)");
  EXPECT_EQ(why_not<int>("5.5"), "5.5 is no integer from -2147483648 to 2147483647 (at byte 3)");
  EXPECT_EQ(why_not<double>("1e999"), "1e999 is out of range (at byte 5)");
  EXPECT_EQ(why_not<float>("1e300"), "1e300 is out of range (at byte 5)");
}

TEST(json_text, that_is_another_value_is_refused_with_what_was_found) {
  EXPECT_EQ(why_not<int>("\"x\""), "expected a number, found \"x\" (at byte 0)");
  EXPECT_EQ(why_not<bool>("1"), "expected true or false, found 1 (at byte 0)");
  EXPECT_EQ(why_not<std::string>("[1,2]"), "expected a string, found [1,2] (at byte 0)");
  EXPECT_EQ(why_not<int>(""), "expected a number, found the text's end (at byte 0)");
  EXPECT_EQ((why_not<std::pair<int, int>>("[1]")), "the array has 1 elements of 2 (at byte 3)");
  EXPECT_EQ((why_not<std::pair<int, int>>("[1,2,3]")), "the array has more than 2 elements (at byte 5)");
  EXPECT_EQ(why_not<node_of_list>(R"({"value":1})"), "the object lacks \"next\" (at byte 11)");
  EXPECT_EQ(why_not<std::vector<std::byte>>(R"({"$bytes":0})"),
            "no such bytes came with the text (at byte 12)");
  EXPECT_EQ(why_not<int>("1 2"), "something follows the value (at byte 2)");
}

TEST(json_text, with_fields_in_any_order_and_unknown_ones_is_read) {
  const auto list = read<node_of_list>(R"({"more":{"a":[1]},"next":[],"value":7})");
  EXPECT_EQ(list.value, 7);
}

TEST(json_text, of_hostile_depth_is_checked_without_a_stack_and_not_decoded) {
  const std::string open(1'000'000, '[');
  const std::string closed(1'000'000, ']');
  EXPECT_TRUE(is_json(open + closed));
  EXPECT_FALSE(is_json(open));
  std::string list = R"({"value":1,"next":[)";
  std::string deep;
  for (int i = 0; i < 1'000; ++i) deep += list;
  EXPECT_EQ(why_not<node_of_list>(deep).substr(0, 28), "values nest deeper than 256 ");
}

TEST(json_text, that_is_none_is_refused) {
  for (const char* const bad : {"",
                                " ",
                                "nul",
                                "tru",
                                "truefalse",
                                "[1,]",
                                "[,1]",
                                "[1 2]",
                                "{\"a\"}",
                                "{\"a\":}",
                                "{a:1}",
                                "{\"a\":1,}",
                                "01",
                                "1.",
                                ".5",
                                "+1",
                                "-",
                                "1e",
                                "NaN",
                                "Infinity",
                                "'a'",
                                "\"a",
                                "\"\\x\"",
                                "\"\\u12\"",
                                "\"\\u12g4\"",
                                "\"\n\"",
                                "\"\xff\"",
                                "\"\xc0\x80\"",
                                "\"\xed\xa0\x80\"",
                                "[1]]",
                                "{\"a\":1}}",
                                "[}",
                                "{]"}) {
    EXPECT_FALSE(is_json(bad)) << bad;
  }
  for (const char* const good : {"null", "-0", "0.5", "-1.5e-7", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "[]",
                                 "{}", "[[],{}]", "{\"a\":{\"b\":[null,true]}}"}) {
    EXPECT_TRUE(is_json(good)) << good;
  }
  EXPECT_EQ(read<std::string>("\"\\ud83d\\ude00\\u00e9\\/\""), "😀é/");
  EXPECT_EQ(why_not<std::string>("\"\\ud83d\""),
            "a string holds half a surrogate pair, which is no text (at byte 7)");
}

// Whatever bytes come, they are read or refused; and what was written is read as it was.
TEST(json_text, that_was_changed_at_random_is_read_or_refused) {
  std::mt19937_64 random(seed_of_test());
  using value = std::map<std::string, std::vector<std::tuple<int, double, std::string, std::optional<bool>>>>;
  for (int round = 0; round < 2'000; ++round) {
    value given;
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      auto& list = given["key" + std::to_string(random() % 100)];
      for (std::uint64_t k = random() % 4; k > 0; --k)
        list.emplace_back(static_cast<int>(random()), static_cast<double>(random()) / 3.0,
                          std::string("\"\\é\n"),
                          random() % 2 == 0 ? std::optional<bool>() : std::optional<bool>(true));
    }
    std::string text = to_json(given).text;
    EXPECT_EQ(read<value>(text), given);
    for (std::uint64_t i = random() % 3 + 1; i > 0 && !text.empty(); --i) {
      const std::size_t at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, random() % 5);
      else
        text[at] = static_cast<char>(random());
    }
    const bool whole = is_json(text);
    EXPECT_TRUE(whole || why_not<value>(text) != "it is one") << text;
  }
}

TEST(utf8, is_what_the_standard_says) {
  EXPECT_TRUE(host::is_utf8("plain text that is longer than eight bytes, é € 😀, and goes on"));
  for (const char* const bad :
       {"\x80", "\xc2", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "eight bytes of it and then \xe2\x82"}) {
    EXPECT_FALSE(host::is_utf8(bad)) << bad;
  }
  std::string text;
  for (const unsigned code : {0x24U, 0x7fU, 0x80U, 0x7ffU, 0x800U, 0xffffU, 0x10000U, 0x10ffffU})
    host::append_utf8(text, code);
  EXPECT_TRUE(host::is_utf8(text));
}

}  // namespace
}  // namespace muster::test
