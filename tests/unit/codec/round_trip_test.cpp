// SPDX-License-Identifier: MIT
//
// Every kind of value that can cross comes out as it went in.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <muster/cereal.hpp>
#include <muster/codec.hpp>

namespace {

template <class T>
T round_trip(const T& value) {
  muster::writer out;
  muster::encode(out, value);
  muster::reader in(out.bytes());
  T copy = muster::decode<T>(in);
  in.finish();
  return copy;
}

template <class T>
void returns(const T& value) {
  static_assert(muster::crosses<T>);
  EXPECT_TRUE(round_trip(value) == value);  // not EXPECT_EQ: GoogleTest cannot print all of these
}

enum class colour : std::uint8_t { red, green = 200 };
enum class answer : bool { no, yes };

struct point {
  int x;
  int y;
  bool operator==(const point&) const = default;
};

struct thrown_away {
  thrown_away() = default;
  explicit thrown_away(int) { throw 1; }
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

struct no_default {
  explicit no_default(int number) : value(number) {}
  int value;
  bool operator==(const no_default&) const = default;
};

}  // namespace

template <>
inline constexpr bool muster::as_bytes<point> = true;
template <>
inline constexpr bool muster::as_bytes<no_default> = true;

namespace {

RC_GTEST_PROP(codec, strings_come_back, (const std::string& value)) { RC_ASSERT(round_trip(value) == value); }

RC_GTEST_PROP(codec, vectors_of_numbers_come_back, (const std::vector<std::int64_t>& value)) {
  RC_ASSERT(round_trip(value) == value);
}

RC_GTEST_PROP(codec, vectors_of_bools_come_back, (const std::vector<bool>& value)) {
  RC_ASSERT(round_trip(value) == value);
}

RC_GTEST_PROP(codec, nested_containers_come_back,
              (const std::map<std::string, std::vector<std::pair<std::string, std::uint16_t>>>& value)) {
  RC_ASSERT(round_trip(value) == value);
}

RC_GTEST_PROP(codec, unordered_containers_come_back,
              (const std::unordered_map<std::int32_t, std::unordered_set<std::string>>& value)) {
  RC_ASSERT(round_trip(value) == value);
}

RC_GTEST_PROP(codec, lists_sets_and_deques_come_back,
              (const std::list<std::string>& list, const std::set<std::string>& set,
               const std::deque<std::string>& deque)) {
  RC_ASSERT(round_trip(list) == list);
  RC_ASSERT(round_trip(set) == set);
  RC_ASSERT(round_trip(deque) == deque);
}

RC_GTEST_PROP(codec, several_values_in_a_row_come_back_in_order,
              (const std::string& first, std::int32_t second, const std::vector<std::string>& third)) {
  muster::writer out;
  muster::encode(out, first);
  muster::encode(out, second);
  muster::encode(out, third);
  muster::reader in(out.bytes());
  RC_ASSERT(muster::decode<std::string>(in) == first);
  RC_ASSERT(muster::decode<std::int32_t>(in) == second);
  RC_ASSERT(muster::decode<std::vector<std::string>>(in) == third);
  RC_ASSERT(in.remaining() == 0u);
}

TEST(codec, numbers_and_enums_come_back) {
  returns(std::numeric_limits<std::int64_t>::min());
  returns(std::numeric_limits<std::uint64_t>::max());
  returns(3.25f);
  returns(-0.1);
  returns(1.5L);
  returns('x');
  returns(u'\u00e4');
  returns(true);
  returns(std::byte{7});
  returns(colour::green);
  returns(answer::yes);
}

TEST(codec, wide_strings_come_back) {
  returns(std::wstring(L"caf\u00e9"));
  returns(std::u8string(u8"caf\u00e9"));
  returns(std::u16string(u"caf\u00e9"));
  returns(std::u32string(U"caf\u00e9"));
}

TEST(codec, sizes_around_the_short_form_come_back) {
  for (const std::size_t size : {0u, 1u, 94u, 95u, 96u, 97u, 254u, 255u, 256u, 70000u}) {
    returns(std::string(size, 'x'));
    returns(std::vector<std::string>(size, "y"));
    returns(std::vector<bool>(size, true));
  }
}

TEST(codec, other_containers_come_back) {
  returns(std::multiset<int>{3, 3, 1});
  returns(std::multimap<int, std::string>{{1, "b"}, {1, "a"}});
  returns(std::unordered_multiset<int>{3, 3, 1});
  returns(std::unordered_multimap<int, int>{{1, 2}, {1, 3}});
  returns(std::forward_list<std::string>{"a", "b", "c"});
  returns(std::array<int, 3>{1, 2, 3});
  returns(std::array<std::string, 2>{"a", "b"});
  returns(std::array<int, 0>{});
  returns(std::array<std::pair<bool, std::string>, 2>{});
}

TEST(codec, fixed_groups_come_back) {
  returns(std::tuple<>());
  returns(std::tuple<int, std::string, std::tuple<bool>>(1, "a", {true}));
  returns(std::optional<std::string>());
  returns(std::optional<std::optional<int>>(std::optional<int>()));
  returns(std::variant<std::monostate, int, std::string>());
  returns(std::variant<int, int>(std::in_place_index<1>, 5));
  returns(std::pair<const int, std::string>(1, "a"));
}

TEST(codec, other_standard_types_come_back) {
  returns(std::chrono::nanoseconds(7));
  returns(std::chrono::duration<double, std::ratio<60>>(1.5));
  returns(std::chrono::system_clock::now());
  returns(std::complex<float>(1, -2));
  returns(std::filesystem::path("/cat/dog.jpg"));
  EXPECT_EQ(*round_trip(std::make_unique<std::string>("cat")), "cat");
  EXPECT_EQ(round_trip(std::unique_ptr<int>()), nullptr);
  EXPECT_EQ(*round_trip(std::vector<std::unique_ptr<int>>(1)).begin(), nullptr);
}

TEST(codec, structs_that_opted_in_come_back) {
  returns(point{1, -2});
  returns(std::vector<point>{{1, 2}, {3, 4}});
  returns(no_default(4));
  returns(std::vector<no_default>{no_default(4), no_default(5)});
  returns(std::array<no_default, 2>{no_default(4), no_default(5)});
}

TEST(codec, elements_that_encode_to_nothing_are_counted) {
  EXPECT_EQ(round_trip(std::vector<std::monostate>(1000)).size(), 1000u);
  EXPECT_EQ(round_trip(std::vector<std::tuple<>>(3)).size(), 3u);
  // What follows such a container is found where it begins.
  returns(std::pair<std::vector<std::monostate>, std::string>(std::vector<std::monostate>(300), "after"));
}

TEST(codec, a_value_that_cannot_be_encoded_says_so) {
  std::variant<int, thrown_away> broken;
  try {
    broken.emplace<thrown_away>(1);
  } catch (int) {}
  ASSERT_TRUE(broken.valueless_by_exception());
  muster::writer out;
  EXPECT_THROW(muster::encode(out, broken), muster::encode_error);
}

// What must not be taken for a type we know.

template <class T>
struct lookalike {  // has the shape of a vector, and more in it
  using value_type = T;
  std::vector<T> elements;
  std::string name;
  auto begin() const { return elements.begin(); }
  auto end() const { return elements.end(); }
  std::size_t size() const { return elements.size(); }
  void push_back(T&& value) { elements.push_back(std::move(value)); }
};

struct animal {
  virtual ~animal() = default;
};

static_assert(!muster::crosses<lookalike<int>>);
static_assert(!muster::crosses<int*>);
static_assert(!muster::crosses<std::vector<int*>>);
static_assert(!muster::crosses<std::unique_ptr<animal>>);
static_assert(!muster::crosses<std::set<int, bool (*)(int, int)>>);
static_assert(!muster::crosses<std::span<int>>);
static_assert(!muster::crosses<std::string_view>);
static_assert(!muster::crosses<std::vector<lookalike<int>>>);
static_assert(!muster::crosses<std::optional<int*>>);

}  // namespace
