// SPDX-License-Identifier: MIT
//
// Bytes that nobody encoded: decoding them throws decode_error or gives a value, and never takes memory out
// of proportion to the bytes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <muster/cereal.hpp>
#include <muster/codec.hpp>

namespace {

/// An allocator that counts what the containers under test hold at most.
struct allowance {
  std::size_t held = 0;
  std::size_t most = 0;
};
thread_local allowance counted;

template <class T>
struct counting {
  using value_type = T;
  counting() = default;
  template <class U>
  counting(const counting<U>&) noexcept {}
  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = count * sizeof(T);
    counted.held += bytes;
    if (counted.held > counted.most) counted.most = counted.held;
    return static_cast<T*>(::operator new(bytes));
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    counted.held -= count * sizeof(T);
    ::operator delete(memory);
  }
  bool operator==(const counting&) const = default;
};

template <class T>
using vector = std::vector<T, counting<T>>;
using string = std::basic_string<char, std::char_traits<char>, counting<char>>;
using u32string = std::basic_string<char32_t, std::char_traits<char32_t>, counting<char32_t>>;
template <class K, class V>
using map = std::map<K, V, std::less<K>, counting<std::pair<const K, V>>>;
template <class K, class V>
using hash_map = std::unordered_map<K, V, std::hash<K>, std::equal_to<K>, counting<std::pair<const K, V>>>;

struct tree {
  std::uint8_t value = 0;
  vector<tree> children;
  std::unique_ptr<tree> next;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, children, next);
  }
};

struct nothing {
  template <class Archive>
  void serialize(Archive&) {}
};

std::vector<std::byte> random_bytes(std::mt19937_64& random) {
  std::vector<std::byte> bytes(random() % 200);
  // Small numbers and all-ones make sizes that nearly fit, and ones that cannot.
  const auto style = random() % 4;
  for (std::byte& byte : bytes) {
    const auto any = random();
    byte = static_cast<std::byte>(style == 0   ? any
                                  : style == 1 ? any % 4
                                  : style == 2 ? (any % 8 == 0 ? 0xff : any % 3)
                                               : any % 40);
  }
  return bytes;
}

template <class T>
bool decode_fails(std::span<const std::byte> bytes) {
  muster::reader in(bytes);
  try {
    const T value = muster::decode<T>(in);
    static_cast<void>(value);
    return false;
  } catch (const muster::decode_error&) {
    return true;
  }
}

template <class T>
class hostile_bytes : public testing::Test {};

using types =
    testing::Types<bool, int, string, u32string, vector<std::uint8_t>, vector<std::uint64_t>, vector<string>,
                   vector<vector<string>>, std::vector<bool>, vector<std::monostate>, std::deque<string>,
                   std::list<string>, std::forward_list<int>, std::set<string>, map<std::uint16_t, string>,
                   hash_map<std::uint32_t, vector<int>>, std::unordered_set<int>, std::multimap<int, bool>,
                   std::optional<string>, std::variant<std::monostate, int, string, std::vector<bool>>,
                   std::tuple<bool, string, std::array<string, 3>>, std::unique_ptr<string>,
                   std::filesystem::path, std::chrono::milliseconds, tree, vector<tree>, vector<nothing>,
                   std::shared_ptr<tree>>;
TYPED_TEST_SUITE(hostile_bytes, types);

TYPED_TEST(hostile_bytes, give_a_value_or_an_error_and_no_great_allocation) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5000; ++round) {
    const auto bytes = random_bytes(random);
    counted = {};
    decode_fails<TypeParam>(bytes);
    ASSERT_EQ(counted.held, 0u);
    // An element takes at least one byte there and its own size here (a map's node, 64), twice while a vector
    // grows.
    ASSERT_LE(counted.most, 64 + 4 * 64 * bytes.size());
  }
}

TYPED_TEST(hostile_bytes, cut_off_anywhere_are_an_error) {
  if constexpr (std::default_initializable<TypeParam>) {
    muster::writer out;
    muster::encode(out, TypeParam());
    for (std::size_t kept = 0; kept < out.size(); ++kept) {
      EXPECT_TRUE(decode_fails<TypeParam>(out.bytes().first(kept)));
    }
  }
}

TEST(decode, a_size_that_cannot_fit_is_refused_before_anything_is_allocated) {
  muster::writer out;
  out.write_size(std::numeric_limits<std::size_t>::max());
  out.write("0123456789", 10);
  counted = {};
  EXPECT_TRUE(decode_fails<vector<std::uint64_t>>(out.bytes()));
  EXPECT_TRUE(decode_fails<vector<string>>(out.bytes()));
  EXPECT_TRUE(decode_fails<string>(out.bytes()));
  EXPECT_TRUE(decode_fails<u32string>(out.bytes()));
  EXPECT_TRUE(decode_fails<std::vector<bool>>(out.bytes()));
  EXPECT_TRUE(decode_fails<vector<std::monostate>>(out.bytes()));
  EXPECT_EQ(counted.most, 0u);
}

TEST(decode, bits_beyond_the_bytes_are_refused) {
  muster::writer out;
  muster::encode(out, std::uint64_t{9});
  out.write("x", 1);
  EXPECT_TRUE(decode_fails<std::vector<bool>>(out.bytes()));
}

TEST(decode, depth_is_bounded) {
  // Each level: value 0, no children, a next one.
  std::vector<std::byte> bytes;
  for (int depth = 0; depth < 100'000; ++depth) {
    bytes.insert(bytes.end(), {std::byte{0}, std::byte{0}, std::byte{1}});
  }
  EXPECT_TRUE(decode_fails<tree>(bytes));
}

TEST(decode, a_bool_is_true_or_false) {
  const std::byte two{2};
  EXPECT_TRUE(decode_fails<bool>({&two, 1}));
}

TEST(decode, what_is_left_over_is_an_error) {
  const std::byte bytes[2]{};
  muster::reader in(bytes);
  muster::decode<char>(in);
  EXPECT_THROW(in.finish(), muster::decode_error);
}

TEST(writer, small_rows_move_and_large_rows_keep_their_bytes) {
  for (const std::size_t size : {0u, 5u, 96u, 97u, 5000u}) {
    muster::writer out;
    const std::string text(size, 'x');
    for (const char letter : text) out.write(&letter, 1);
    muster::writer moved(std::move(out));
    muster::writer assigned;
    assigned.write("old", 3);
    assigned = std::move(moved);
    const auto bytes = assigned.bytes();
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text);
    assigned.clear();
    EXPECT_TRUE(assigned.bytes().empty());
  }
}

}  // namespace
