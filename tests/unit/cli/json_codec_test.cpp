// SPDX-License-Identifier: MIT
#include "cli/json_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <complex>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include <muster/codec.hpp>
#include <muster/detail/type_text.hpp>
#include <muster/fields.hpp>

namespace {

using muster::cli::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

enum class colour : std::uint8_t { red = 3 };

struct place {
  std::string name{};
  std::optional<double> height{};
  std::vector<std::pair<int, int>> corners{};
  auto operator<=>(const place&) const = default;
};

}  // namespace

template <>
struct muster::fields<place> {
  static constexpr auto list =
      std::make_tuple(muster::field("name", &place::name), muster::field("height", &place::height),
                      muster::field("corners", &place::corners));
};

namespace {

std::vector<std::byte> bytes_of(const muster::writer& out) {
  return {out.bytes().begin(), out.bytes().end()};
}

muster::cli::value_type type_of(const std::string& text) {
  auto type = muster::cli::parse_type(text);
  if (!type) throw std::runtime_error(type.error());
  return *std::move(type);
}

muster::cli::call_signature signature(const std::string& text) {
  auto made = muster::cli::parse_signature("f", text);
  if (!made) throw std::runtime_error(made.error());
  return *std::move(made);
}

/// C++ encodes, JSON decodes to what is expected, and encodes it again to the same bytes.
template <class T>
void expect_json(const T& value, const std::string& expected) {
  SCOPED_TRACE(muster::detail::type_text<T>() + " as " + expected);
  muster::writer out;
  muster::encode(out, value);
  const auto type = type_of(muster::detail::type_text<T>());
  const auto seen = muster::cli::decode_value(type, out.bytes());
  ASSERT_TRUE(seen.has_value()) << seen.error();
  EXPECT_EQ(*seen, json::parse(expected));
  const auto again = muster::cli::encode_value(type, json::parse(seen->dump()));
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(*again, bytes_of(out));
}

/// What is said about a value that does not fit the type; "nothing" when it does.
std::string said_of(const std::string& type, const std::string& value) {
  const auto made = muster::cli::encode_value(type_of(type), json::parse(value));
  return made ? "nothing" : made.error();
}

/// The value that the JSON text stands for, decoded by C++.
template <class T>
T from_json(const std::string& text) {
  const auto bytes = muster::cli::encode_value(type_of(muster::detail::type_text<T>()), json::parse(text));
  if (!bytes) throw std::runtime_error(bytes.error());
  muster::reader in(*bytes);
  T value = muster::decode<T>(in);
  in.finish();
  return value;
}

template <class... Ts>
std::vector<std::byte> encoded(const Ts&... values) {
  muster::writer out;
  (muster::encode(out, values), ...);
  return bytes_of(out);
}

}  // namespace

TEST(json_codec, numbers_have_the_encoding_of_the_library) {
  expect_json(true, "true");
  expect_json(std::int8_t{-128}, "-128");
  expect_json(std::uint8_t{255}, "255");
  expect_json(std::int16_t{-32768}, "-32768");
  expect_json(std::uint16_t{65535}, "65535");
  expect_json(std::numeric_limits<int>::min(), "-2147483648");
  expect_json(std::uint32_t{4294967295}, "4294967295");
  expect_json(std::numeric_limits<std::int64_t>::min(), "-9223372036854775808");
  expect_json(std::numeric_limits<std::uint64_t>::max(), "18446744073709551615");
  expect_json(0.1F, "0.1");
  expect_json(0.1, "0.1");
  expect_json(-1e300, "-1e300");
  expect_json(std::numeric_limits<double>::infinity(), "\"Infinity\"");
  expect_json(-std::numeric_limits<float>::infinity(), "\"-Infinity\"");
  expect_json(std::numeric_limits<double>::quiet_NaN(), "\"NaN\"");
  expect_json(colour::red, "3");
  expect_json(std::complex<double>(1, -2), "[1.0, -2.0]");
  expect_json(std::chrono::milliseconds(250), "250");
  expect_json(std::chrono::duration<double>(0.5), "0.5");
  expect_json(std::chrono::system_clock::time_point(std::chrono::seconds(1)), "1000000000");
}

TEST(json_codec, text_and_bytes_have_the_encoding_of_the_library) {
  expect_json(std::string(), "\"\"");
  expect_json(std::string("gr\xc3\xbc\xc3\x9f dich"), "\"grüß dich\"");
  expect_json(std::string("a\0b", 3), R"("a\u0000b")");
  expect_json(std::string(300, 'x'), "\"" + std::string(300, 'x') + "\"");
  expect_json(std::string("\xff\xfe"), R"({"base64": "//4="})");
  expect_json(std::u16string(u"ab"), "[97, 98]");
  expect_json(std::filesystem::path("/tmp/x"), "\"/tmp/x\"");
  expect_json(std::vector<std::byte>{}, "\"\"");
  expect_json(std::vector<std::byte>{std::byte{1}}, "\"AQ==\"");
  expect_json(std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{255}},
              "\"AQID/w==\"");
}

TEST(json_codec, containers_have_the_encoding_of_the_library) {
  expect_json(std::vector<int>{}, "[]");
  expect_json(std::vector<int>{1, -2}, "[1, -2]");
  expect_json(std::vector<std::vector<std::string>>{{"a"}, {}, {"b", "c"}}, R"([["a"], [], ["b", "c"]])");
  expect_json(std::vector<int>(300, 7), json(std::vector<int>(300, 7)).dump());
  expect_json(std::vector<bool>{true, false, true, true, false, false, false, false, true},
              "[true, false, true, true, false, false, false, false, true]");
  expect_json(std::vector<bool>(), "[]");
  expect_json(std::deque<bool>{true, false}, "[true, false]");
  expect_json(std::list<std::tuple<>>(3), "[[], [], []]");
  expect_json(std::vector<std::monostate>(2), "[null, null]");
  expect_json(std::vector<std::variant<std::tuple<>, int>>{{}, {7}}, "[[], 7]");
  expect_json(std::set<std::string>{"b", "a"}, R"(["a", "b"])");
  expect_json(std::array<double, 3>{1, 2, 3}, "[1.0, 2.0, 3.0]");
  expect_json(std::array<std::string, 0>{}, "[]");
  expect_json(std::map<std::string, int>{{"a", 1}, {"b", 2}}, R"({"a": 1, "b": 2})");
  expect_json(std::map<std::string, int>{}, "{}");
  expect_json(std::map<std::string, std::monostate>{{"", {}}}, R"({"": null})");
  expect_json(std::map<int, std::string>{{1, "a"}, {2, "b"}}, R"([[1, "a"], [2, "b"]])");
  expect_json(std::map<int, std::string>{}, "[]");
  expect_json(std::map<std::string, int>{{"a", 2}, {"\xff", 1}}, R"([["a", 2], [{"base64": "/w=="}, 1]])");
  expect_json(std::multimap<std::string, int>{{"a", 1}, {"a", 2}}, R"([["a", 1], ["a", 2]])");
}

TEST(json_codec, groups_and_structs_have_the_encoding_of_the_library) {
  expect_json(std::pair<int, std::string>{1, "a"}, R"([1, "a"])");
  expect_json(std::tuple<>(), "[]");
  expect_json(std::tuple<int>(4), "[4]");
  expect_json(std::optional<int>(), "null");
  expect_json(std::optional<int>(4), "4");
  expect_json(std::make_unique<std::string>("x"), "\"x\"");
  expect_json(std::variant<int, std::string, std::monostate>("x"), "\"x\"");
  expect_json(std::variant<int, std::string, std::monostate>(std::monostate()), "null");
  expect_json(std::variant<int>(9), "9");
  expect_json(std::optional<std::variant<int, std::vector<int>>>(std::vector<int>{1}), "[1]");
  expect_json(place{"a", 2.5, {{1, 2}}}, R"({"name": "a", "height": 2.5, "corners": [[1, 2]]})");
  expect_json(
      std::vector<place>{{}, {"b", {}, {}}},
      R"([{"name": "", "height": null, "corners": []}, {"name": "b", "height": null, "corners": []}])");
}

TEST(json_codec, json_may_say_the_same_in_other_ways) {
  EXPECT_EQ(from_json<int>("5.0"), 5);
  EXPECT_EQ(from_json<double>("5"), 5.0);
  EXPECT_EQ(from_json<std::uint64_t>("9007199254740992.0"), 9007199254740992U);
  EXPECT_EQ(from_json<place>(R"({"corners": [], "name": "n"})"), (place{"n", {}, {}}))
      << "an optional may be missing";
  EXPECT_EQ(from_json<std::vector<std::byte>>("[0, 255]"),
            (std::vector<std::byte>{std::byte{0}, std::byte{255}}));
  EXPECT_EQ(from_json<std::vector<std::byte>>("\"AQ\""), (std::vector<std::byte>{std::byte{1}}));
  EXPECT_EQ((from_json<std::map<std::string, int>>(R"([["a", 1]])")), (std::map<std::string, int>{{"a", 1}}));
  EXPECT_TRUE(std::isnan(from_json<float>("\"NaN\"")));
  EXPECT_EQ((from_json<std::variant<int, double>>("1.5")), (std::variant<int, double>(1.5)));
}

TEST(json_codec, what_does_not_fit_is_refused_with_what_was_expected_and_given) {
  EXPECT_EQ(said_of("i32", "\"5\""), "expected i32, was given \"5\"");
  EXPECT_EQ(said_of("i32", "1.5"), "expected i32, was given 1.5");
  EXPECT_EQ(said_of("i8", "128"), "128 is out of the range of i8, which is -128 to 127");
  EXPECT_EQ(said_of("i8", "-129"), "-129 is out of the range of i8, which is -128 to 127");
  EXPECT_EQ(said_of("u16", "-1"), "-1 is out of the range of u16, which is 0 to 65535");
  EXPECT_THAT(said_of("i64", "9223372036854775808"), HasSubstr("is out of the range of i64"));
  EXPECT_THAT(said_of("u64", "1e300"), HasSubstr("is out of the range of u64"));
  EXPECT_THAT(said_of("f32", "1e39"), HasSubstr("is out of the range of f32"));
  EXPECT_EQ(said_of("bool", "1"), "expected bool, was given 1");
  EXPECT_EQ(said_of("string", "null"), "expected string, was given null");
  EXPECT_EQ(said_of("bytes", "\"?\""), "expected bytes in base64, was given \"?\"");
  EXPECT_EQ(said_of("bytes", "[256]"), "expected numbers from 0 to 255, was given 256");
  EXPECT_EQ(said_of("bits", "[true, 0]"), "element 2: expected true or false, was given 0");
  EXPECT_EQ(said_of("[i32; 2]", "[1]"), "expected [i32; 2], was given 1 element");
  EXPECT_EQ(said_of("(i32, bool)", "[1, true, 3]"), "expected (i32, bool), was given 3 elements");
  EXPECT_EQ(said_of("{string: [f64]}", R"({"a": [1, "x"]})"),
            "key \"a\", element 2: expected f64, was given \"x\"");
  EXPECT_EQ(said_of("{i32: bool}", "[[1]]"), "element 1: expected [i32, bool], was given 1 element");
  EXPECT_EQ(said_of("{x: f64, y: f64}", R"({"x": 1})"),
            "expected {x: f64, y: f64}, but the field \"y\" is missing");
  EXPECT_EQ(said_of("{x: f64}", R"({"x": 1, "z": 2})"), "expected {x: f64}, which has no field \"z\"");
  EXPECT_EQ(said_of("{x: f64}", R"({"x": true})"), "field \"x\": expected f64, was given true");
  EXPECT_EQ(said_of("(i32 | bool)", "\"x\""), "expected (i32 | bool), was given \"x\"");
  EXPECT_EQ(said_of("opaque<a<b>>", "1"),
            "opaque<a<b>> cannot be given as JSON; only C++ that knows the type can");
  const auto number =
      muster::cli::encode_value(type_of("f64"), json(std::numeric_limits<double>::infinity()));
  ASSERT_FALSE(number.has_value());
  EXPECT_THAT(number.error(), HasSubstr("a number that JSON cannot hold"));
  const auto broken = muster::cli::encode_value(type_of("i32"), json("\xff"));
  ASSERT_FALSE(broken.has_value()) << "and to say so must not throw";
}

TEST(json_codec, arguments_are_counted_and_numbered) {
  const auto shrink = muster::cli::parse_signature("shrink", "(string, i32) -> string");
  ASSERT_TRUE(shrink.has_value());
  EXPECT_EQ(*muster::cli::encode_arguments(*shrink, json::parse(R"(["a.jpg", 200])")),
            encoded(std::string("a.jpg"), 200));
  const auto said = [&](const std::string& arguments) {
    const auto made = muster::cli::encode_arguments(*shrink, json::parse(arguments));
    return made ? "nothing" : made.error();
  };
  EXPECT_EQ(said(R"(["a.jpg"])"), "shrink(string, i32) -> string takes 2 arguments, was given 1");
  EXPECT_EQ(said(R"(["a.jpg", "wide"])"),
            "argument 2 of shrink(string, i32) -> string: expected i32, was given \"wide\"");
  EXPECT_EQ(said(R"({"path": 1})"),
            "the arguments of shrink(string, i32) -> string are an array, was given {\"path\":1}");
  const auto nested = signature("([i32]) -> null");
  EXPECT_EQ(muster::cli::encode_arguments(nested, json::parse("[[1, null]]")).error(),
            "argument 1 of f([i32]) -> null, element 2: expected i32, was given null");
}

TEST(json_codec, words_are_read_by_the_types_of_the_parameters) {
  using words = std::vector<std::string>;
  const auto call = [](const std::string& text, const words& given) {
    return muster::cli::encode_words(signature(text), given);
  };
  EXPECT_EQ(*call("(string, string) -> null", {"5", "\xff \"x\""}),
            encoded(std::string("5"), std::string("\xff \"x\"")));
  EXPECT_EQ(*call("(i32, u64, f64) -> null", {"-5", "18446744073709551615", "1e3"}),
            encoded(-5, std::numeric_limits<std::uint64_t>::max(), 1000.0));
  EXPECT_EQ(*call("(f32) -> null", {"-Infinity"}), encoded(-std::numeric_limits<float>::infinity()));
  EXPECT_EQ(*call("(bytes) -> null", {"AQ=="}), encoded(std::vector<std::byte>{std::byte{1}}));
  EXPECT_EQ(*call("(bool, [i32]) -> null", {"true", "[1, 2]"}), encoded(true, std::vector<int>{1, 2}));
  EXPECT_EQ(*call("(?string, ?i32) -> null", {"null", "4"}),
            encoded(std::optional<std::string>(), std::optional(4)));
  EXPECT_EQ(*call("((i32 | string)) -> null", {"4"}), encoded(std::variant<int, std::string>(4)));
  EXPECT_EQ(*call("((i32 | string)) -> null", {"four"}), encoded(std::variant<int, std::string>("four")));
  EXPECT_EQ(call("(i32) -> null", {"5x"}).error(),
            "argument 1 of f(i32) -> null: expected i32, was given \"5x\"");
  EXPECT_EQ(call("(i32) -> null", {"5000000000"}).error(),
            "argument 1 of f(i32) -> null: 5000000000 is out of the range of i32, which is -2147483648 to "
            "2147483647");
  EXPECT_THAT(call("(u64) -> null", {"99999999999999999999"}).error(),
              HasSubstr("is out of the range of u64"));
  EXPECT_THAT(call("(f64) -> null", {"nan"}).error(), HasSubstr("expected f64, was given \"nan\""));
  EXPECT_THAT(call("(i32) -> null", {""}).error(), HasSubstr("expected i32, was given \"\""));
  EXPECT_THAT(call("(bool) -> null", {"maybe"}).error(),
              HasSubstr("expected bool as JSON, was given \"maybe\""));
  EXPECT_EQ(call("(i32) -> null", {}).error(), "f(i32) -> null takes 1 argument, was given 0");
}

TEST(json_codec, an_opaque_type_is_known_before_anything_is_called) {
  EXPECT_EQ(muster::cli::why_not_from_json(signature("(i32) -> [f64]")), "");
  EXPECT_THAT(muster::cli::why_not_from_json(signature("([?opaque<raw>]) -> null")),
              AllOf(HasSubstr("cannot be called from JSON"), HasSubstr("opaque<raw>")));
  EXPECT_NE(muster::cli::why_not_from_json(signature("() -> opaque<raw>")), "");
}

TEST(json_codec, result_bytes_that_lie_are_an_error) {
  const auto said = [](const std::string& type, const std::vector<std::byte>& bytes) {
    const auto made = muster::cli::decode_value(type_of(type), bytes);
    return made ? "nothing" : made.error();
  };
  const auto huge = encoded(std::uint8_t{0xff}, std::numeric_limits<std::uint64_t>::max());
  for (const char* type : {"string", "bytes", "[i32]", "[null]", "{i32: i32}", "[[[string]]]"}) {
    EXPECT_THAT(said(type, huge), HasSubstr("a size is larger than the bytes that follow")) << type;
  }
  EXPECT_THAT(said("bits", encoded(std::numeric_limits<std::uint64_t>::max())),
              HasSubstr("a size is larger"));
  EXPECT_THAT(said("i32", encoded(std::uint8_t{1})), HasSubstr("the bytes end before the value does"));
  EXPECT_THAT(said("i32", encoded(1, 2)), HasSubstr("go on after the value"));
  EXPECT_THAT(said("bool", encoded(std::uint8_t{2})), HasSubstr("neither true nor false"));
  EXPECT_THAT(said("?i32", encoded(std::uint8_t{9}, 1)), HasSubstr("neither true nor false"));
  EXPECT_THAT(said("(i32 | bool)", encoded(std::uint16_t{2}, 1)), HasSubstr("no alternative of that number"));
  EXPECT_THAT(said("[[[null; 99999999]; 99999999]; 99999999]", {}), HasSubstr("far more parts than bytes"));
  EXPECT_THAT(said("opaque<raw>", {}), HasSubstr("opaque<raw>"));
}

TEST(json_codec, random_result_bytes_do_no_harm) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> types = {
      "[string]", "{string: [?(i32 | string)]}",    "[(bits, bytes)]",
      "[null]",   "{a: ?{b: [f32]}, c: [bool; 3]}", "{(i32, u8): {string: null}}"};
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 24);
    for (std::byte& each : bytes) each = static_cast<std::byte>(random() % (round % 2 == 0 ? 4 : 256));
    const auto made = muster::cli::decode_value(type_of(types[random() % types.size()]), bytes);
    if (!made) continue;
    ++accepted;
    EXPECT_NO_THROW(static_cast<void>(made->dump())) << "every result is JSON";
  }
  EXPECT_GT(accepted, 0U);
}

TEST(json_types, a_signature_is_taken_apart_and_malformed_ones_are_refused) {
  const auto made =
      signature("({string: [f64; 3]}, ?(null | u8)) -> {\"string\": i32, x: duration<i64 1/25>}");
  ASSERT_EQ(made.parameters.size(), 2U);
  EXPECT_EQ(made.parameters[0].kind, muster::cli::type_kind::map);
  EXPECT_EQ(made.parameters[0].parts[1].count, 3U);
  EXPECT_EQ(made.parameters[1].parts[0].kind, muster::cli::type_kind::variant);
  EXPECT_EQ(made.result.kind, muster::cli::type_kind::structure);
  EXPECT_EQ(made.result.names, (std::vector<std::string>{"string", "x"}));
  EXPECT_EQ(made.result.parts[1].text, "duration<i64 1/25>");
  for (const char* text : {"",
                           "(",
                           "()",
                           "() ->",
                           "() -> ",
                           "() -> i33",
                           "(i32 i32) -> null",
                           "(i32,) -> null",
                           "() -> [i32",
                           "() -> [i32; x]",
                           "() -> [i32; 99999999999999999999]",
                           "() -> (i32 | u8, f32)",
                           "() -> (i32",
                           "() -> {x: i32, string: i32}",
                           "({string: i32, x: u8}) -> null",
                           "() -> {x i32}",
                           "() -> {\"x: i32}",
                           "() -> opaque<a",
                           "() -> duration<string s>",
                           "() -> duration<i64>",
                           "() -> null null"}) {
    EXPECT_FALSE(muster::cli::parse_signature("f", text).has_value()) << text;
  }
  EXPECT_FALSE(muster::cli::parse_type(std::string(10'000, '[')).has_value());
  EXPECT_FALSE(muster::cli::parse_type(std::string(100'000, ' ')).has_value());
}
