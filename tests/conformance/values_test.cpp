// SPDX-License-Identifier: MIT
// Values there and back: of every kind, empty ones, and large ones.
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <muster/cereal.hpp>

#include "kit/pools.hpp"

namespace muster::test {

struct plain_point {
  int x;
  double y;
  friend bool operator==(const plain_point&, const plain_point&) = default;
};
struct archived {
  std::string name;
  std::vector<int> numbers;
  friend bool operator==(const archived&, const archived&) = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, numbers);
  }
};

}  // namespace muster::test

template <>
inline constexpr bool muster::as_bytes<muster::test::plain_point> = true;

namespace muster::test {
namespace {

template <class T>
T same(T value) {
  return value;
}
std::string text_of_size(std::size_t size) { return std::string(size, 'r'); }
std::size_t size_of_text(std::string text) { return text.size(); }

template <class Pool>
struct values : testing::Test {};
TYPED_TEST_SUITE(values, both_pools, pool_names);

TYPED_TEST(values, of_every_kind_come_back_as_they_went) {
  TypeParam pool(1);
  const auto back = [&pool](auto value) {
    using type = decltype(value);
    EXPECT_TRUE(pool.submit(same<type>, value).get() == value);
  };
  back(true);
  back('c');
  back(-1);
  back(std::numeric_limits<std::uint64_t>::max());
  back(1.0 / 3.0);
  back(std::string());
  back(std::string("\0binary\xff", 8));
  back(std::vector<int>());
  back(std::vector<std::string>{"", "a", std::string(1'000, 'b')});
  back(std::vector<bool>{true, false, true});
  back(std::optional<int>());
  back(std::optional<std::string>("x"));
  back(std::variant<int, std::string>(3));
  back(std::variant<int, std::string>("three"));
  back(std::tuple<int, std::string, std::vector<double>>(1, "2", {3.0}));
  back(std::pair<int, std::optional<int>>(1, 2));
  back(std::array<int, 3>{1, 2, 3});
  back(std::map<std::string, std::vector<int>>{{"", {}}, {"a", {1, 2}}});
  back(std::chrono::milliseconds(-5));
  back(std::chrono::hours(7));
  back(plain_point{3, 0.25});
  back(std::vector<plain_point>{{1, 2}, {3, 4}});
  back(archived{"n", {1, 2, 3}});
}

TYPED_TEST(values, of_any_size_come_back_as_they_went) {
  TypeParam pool(2);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{100}, 10_KiB, 100_KiB, 1_MiB, 10_MiB}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 997) text[i] = static_cast<char>('a' + i % 26);
    ASSERT_TRUE(pool.submit(same<std::string>, text).get() == text) << size;
    ASSERT_EQ(pool.submit(size_of_text, text).get(), size);
    ASSERT_EQ(pool.submit(text_of_size, size).get().size(), size);
  }
}

TYPED_TEST(values, of_mixed_sizes_keep_apart_when_many_are_under_way) {
  TypeParam pool(2);
  std::mt19937_64 dice(seed_of_test());
  std::vector<std::pair<std::string, future<std::string>>> all;
  const std::size_t sizes[] = {0, 40, 100, 5'000, 20'000, 100'000, 300'000};
  for (int i = 0; i < 300; ++i) {
    std::string text(sizes[dice() % std::size(sizes)], static_cast<char>('a' + i % 26));
    text += std::to_string(i);
    auto f = pool.submit(same<std::string>, text);
    all.emplace_back(std::move(text), std::move(f));
  }
  for (auto& [text, f] : all) ASSERT_TRUE(f.get() == text);
  expect_all_settled(pool, 300, 0, 0);
}

TYPED_TEST(values, of_a_gibibyte_come_back_as_they_went) {
  if (!long_tests()) GTEST_SKIP() << "only with MUSTER_LONG=1";
  TypeParam pool(1);
  ASSERT_EQ(pool.submit(size_of_text, std::string(1_GiB, 'g')).get(), 1_GiB);
  ASSERT_EQ(pool.submit(text_of_size, 1_GiB).get().size(), 1_GiB);
}

// Large arguments travel as descriptors in a socket with little room: those of cancelled calls must not fill
// it up.
TEST(values_to_processes, many_large_ones_that_are_cancelled_do_not_stop_the_next) {
  process_pool pool(
      process_options{.workers = {1}, .strategy = strategy::fewest, .queue = {.capacity = std::nullopt}});
  const std::string large(400'000, 'l');
  std::optional<future<std::size_t>> last;
  {
    blocker busy(pool);
    for (int i = 0; i < 600; ++i) {
      auto f = pool.submit(size_of_text, large);
      f.cancel();
      const auto how = outcome_of(f);
      ASSERT_EQ(how, error_code::cancelled) << i;
    }
    last = pool.submit(size_of_text, large);
  }
  EXPECT_EQ(last->get(), large.size());
  expect_all_settled(pool, 2, 0, 600);
}

TEST(values_to_processes, many_large_ones_at_once_all_arrive) {
  process_pool pool(
      process_options{.workers = {1}, .strategy = strategy::fewest, .queue = {.capacity = std::nullopt}});
  const std::string large(400'000, 'l');
  std::vector<future<std::size_t>> all;
  {
    blocker busy(pool);
    for (int i = 0; i < 400; ++i) all.push_back(pool.submit(size_of_text, large));
  }
  for (auto& f : all) ASSERT_EQ(f.get(), large.size());
}

}  // namespace
}  // namespace muster::test
