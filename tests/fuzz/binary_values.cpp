// SPDX-License-Identifier: MIT
// The encoding of calls and results: the first byte, a letter, says of which type the others are to be a
// value.
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include <muster/cereal.hpp>
#include <muster/codec.hpp>
#include <muster/fields.hpp>

#include "fuzz/target.hpp"

namespace muster::fuzz {

struct point {
  float x, y;
};
struct branch {
  int value = 0;
  std::vector<branch> children{};
  std::unique_ptr<branch> next{};
};
// Types that cereal takes apart. What is shared cannot lead back to itself: nobody would free that.
struct photo {
  std::string name;
  std::vector<int> pixels;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, pixels);
  }
};
struct album {
  std::string name;
  std::map<std::string, std::vector<int>> photos;
  std::shared_ptr<photo> cover, other;
  std::unique_ptr<album> inner;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, photos, cover, other, inner);
  }
};

}  // namespace muster::fuzz

template <>
inline constexpr bool muster::as_bytes<muster::fuzz::point> = true;
template <>
struct muster::fields<muster::fuzz::branch> {
  using branch = muster::fuzz::branch;
  static constexpr auto list = std::make_tuple(
      field("value", &branch::value), field("children", &branch::children), field("next", &branch::next));
};

namespace muster::fuzz {
namespace {

template <class T>
inline constexpr bool has_order = !requires(const T& value) { value.bucket_count(); };

// Bytes are a value or refused; what is a value is one again after it was written, and written in the same
// way.
template <class T>
void hold_comes_back(std::span<const std::byte> bytes) {
  reader in(bytes);
  std::optional<T> value;
  try {
    value.emplace(decode<T>(in));
  } catch (const decode_error&) {
    return;
  }
  writer once;
  encode(once, *value);
  reader back(once.bytes());
  const T again = decode<T>(back);
  back.finish();
  if constexpr (has_order<T>) {
    writer twice;
    encode(twice, again);
    hold(std::ranges::equal(once.bytes(), twice.bytes()),
         "a value that is written otherwise when it comes back");
  } else {
    hold(again == *value, "a value that is another when it comes back");
  }
}

using check = void (*)(std::span<const std::byte>);
constexpr check checks[] = {
    hold_comes_back<bool>,
    hold_comes_back<double>,
    hold_comes_back<std::string>,
    hold_comes_back<std::u32string>,
    hold_comes_back<std::vector<std::uint64_t>>,
    hold_comes_back<std::vector<std::vector<std::string>>>,
    hold_comes_back<std::vector<bool>>,
    hold_comes_back<std::vector<std::monostate>>,
    hold_comes_back<std::vector<point>>,
    hold_comes_back<std::deque<std::list<std::string>>>,
    hold_comes_back<std::forward_list<short>>,
    hold_comes_back<std::set<std::string>>,
    hold_comes_back<std::multimap<std::uint16_t, bool>>,
    hold_comes_back<std::unordered_map<int, std::string>>,
    hold_comes_back<std::unordered_set<std::string>>,
    hold_comes_back<std::optional<std::vector<std::optional<int>>>>,
    hold_comes_back<std::variant<std::monostate, int, std::string, std::vector<bool>>>,
    hold_comes_back<std::tuple<bool, std::string, std::array<std::string, 3>>>,
    hold_comes_back<std::unique_ptr<std::pair<int, std::string>>>,
    hold_comes_back<std::filesystem::path>,
    hold_comes_back<std::chrono::sys_time<std::chrono::milliseconds>>,
    hold_comes_back<std::complex<float>>,
    hold_comes_back<branch>,
    hold_comes_back<std::vector<branch>>,
    hold_comes_back<album>,
    hold_comes_back<std::shared_ptr<photo>>,
};

void binary_values(std::string_view input) {
  if (input.empty()) return;
  const auto which = static_cast<unsigned char>(input.front() - 'a');
  checks[which % std::size(checks)](bytes_of(input.substr(1)));
}

const bool binary_values_is_known = registered("binary_values", binary_values);

}  // namespace
}  // namespace muster::fuzz
