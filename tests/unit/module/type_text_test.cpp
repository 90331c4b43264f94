// SPDX-License-Identifier: MIT
#include <muster/detail/type_text.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <muster/cereal.hpp>

namespace {

enum class colour : short { red };
enum class truth : bool { no };

struct empty_one {};
struct odd_names {
  int string = 0;
  double with_space = 0;
};
struct tree {
  int value = 0;
  std::vector<tree> children{};
};
struct block {
  int a;
};
struct saved {
  int a = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(a);
  }
};

template <class T>
const std::string& text_of() {
  return muster::detail::type_text<T>();
}

}  // namespace

template <>
struct muster::fields<empty_one> {
  static constexpr auto list = std::make_tuple();
};
template <>
struct muster::fields<odd_names> {
  static constexpr auto list = std::make_tuple(muster::field("string", &odd_names::string),
                                               muster::field("a \"b\"", &odd_names::with_space));
};
template <>
struct muster::fields<tree> {
  static constexpr auto list =
      std::make_tuple(muster::field("value", &tree::value), muster::field("children", &tree::children));
};
template <>
inline constexpr bool muster::as_bytes<block> = true;

TEST(type_text, numbers_and_enums_say_how_they_are_encoded) {
  EXPECT_EQ(text_of<bool>(), "bool");
  EXPECT_EQ(text_of<signed char>(), "i8");
  EXPECT_EQ(text_of<unsigned short>(), "u16");
  EXPECT_EQ(text_of<int>(), "i32");
  EXPECT_EQ(text_of<long>(), "i64");
  EXPECT_EQ(text_of<long long>(), "i64");
  EXPECT_EQ(text_of<std::size_t>(), "u64");
  EXPECT_EQ(text_of<float>(), "f32");
  EXPECT_EQ(text_of<double>(), "f64");
  EXPECT_EQ(text_of<long double>(), "opaque<long double>");
  EXPECT_EQ(text_of<colour>(), "i16");
  EXPECT_EQ(text_of<truth>(), "bool");
  EXPECT_EQ(text_of<std::byte>(), "u8");
  EXPECT_EQ(text_of<void>(), "null");
  EXPECT_EQ(text_of<std::monostate>(), "null");
  EXPECT_EQ(text_of<std::complex<float>>(), "(f32, f32)");
}

TEST(type_text, containers_say_what_they_hold) {
  EXPECT_EQ(text_of<std::string>(), "string");
  EXPECT_EQ(text_of<std::u16string>(), "[u16]");
  EXPECT_EQ(text_of<std::filesystem::path>(), "string");
  EXPECT_EQ(text_of<std::vector<std::byte>>(), "bytes");
  EXPECT_EQ(text_of<std::vector<bool>>(), "bits");
  EXPECT_EQ(text_of<std::deque<bool>>(), "[bool]");
  EXPECT_EQ(text_of<std::vector<std::vector<int>>>(), "[[i32]]");
  EXPECT_EQ(text_of<std::forward_list<float>>(), "[f32]");
  EXPECT_EQ(text_of<std::set<std::string>>(), "[string]");
  EXPECT_EQ(text_of<std::unordered_multiset<int>>(), "[i32]");
  EXPECT_EQ((text_of<std::array<int, 3>>()), "[i32; 3]");
  EXPECT_EQ((text_of<std::map<std::string, int>>()), "{string: i32}");
  EXPECT_EQ((text_of<std::unordered_map<int, std::string>>()), "{i32: string}");
  EXPECT_EQ((text_of<std::multimap<int, std::string>>()), "[(i32, string)]");
}

TEST(type_text, groups_are_never_ambiguous) {
  EXPECT_EQ((text_of<std::pair<const int, std::string>>()), "(i32, string)");
  EXPECT_EQ((text_of<std::tuple<>>()), "()");
  EXPECT_EQ((text_of<std::tuple<int>>()), "(i32,)");
  EXPECT_EQ((text_of<std::tuple<int, bool, float>>()), "(i32, bool, f32)");
  EXPECT_EQ((text_of<std::variant<int>>()), "(i32 |)");
  EXPECT_EQ((text_of<std::optional<std::variant<std::monostate, int>>>()), "?(null | i32)");
  EXPECT_EQ((text_of<std::variant<std::optional<int>, std::string>>()), "(?i32 | string)");
  EXPECT_EQ(text_of<std::unique_ptr<const int>>(), "?i32");
}

TEST(type_text, durations_and_times_say_their_unit) {
  EXPECT_EQ(text_of<std::chrono::nanoseconds>(), "duration<i64 ns>");
  EXPECT_EQ(text_of<std::chrono::duration<double>>(), "duration<f64 s>");
  EXPECT_EQ((text_of<std::chrono::duration<int, std::ratio<1, 25>>>()), "duration<i32 1/25>");
  EXPECT_EQ(text_of<std::chrono::system_clock::time_point>(), "time<i64 ns>");
  EXPECT_TRUE(text_of<std::chrono::steady_clock::time_point>().starts_with("opaque<"));
}

TEST(type_text, structs_show_their_fields_or_only_their_name) {
  EXPECT_EQ(text_of<empty_one>(), "{}");
  EXPECT_EQ(text_of<odd_names>(), R"({"string": i32, "a \"b\"": f64})")
      << "as a map's {string: i32} it must not read";
  EXPECT_TRUE(text_of<tree>().starts_with("{value: i32, children: [opaque<")) << text_of<tree>();
  EXPECT_TRUE(text_of<block>().starts_with("opaque<")) << text_of<block>();
  EXPECT_TRUE(text_of<block>().ends_with("block>")) << text_of<block>();
  EXPECT_TRUE(text_of<std::vector<saved>>().starts_with("[opaque<"));
}

TEST(fields, a_struct_of_its_own_kind_comes_back_and_only_so_deep) {
  const tree original{1, {{2, {}}, {3, {{4, {}}}}}};
  muster::writer out;
  muster::encode(out, original);
  muster::reader in(out.bytes());
  const tree copy = muster::decode<tree>(in);
  in.finish();
  EXPECT_EQ(copy.children.at(1).children.at(0).value, 4);

  tree deep;
  for (int i = 0; i < 1000; ++i) {
    tree outer;
    outer.children.push_back(std::move(deep));
    deep = std::move(outer);
  }
  muster::writer refused;
  EXPECT_THROW(muster::encode(refused, deep), muster::encode_error);
}
