// SPDX-License-Identifier: MIT
#pragma once

// How options are described: for each struct of options a table, `described<Options>::fields`, with a line
// for each member: its name, the member, its range, a sentence. What walks the tables lies elsewhere:
// check.hpp looks at ranges, page.cpp prints, set.cpp reads from text. Everything here is done by the
// compiler; what a walk does not ask for, such as the sentences, is not in its program.

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/options.hpp>

namespace muster::options {

// The numbers an option may have. Of a time they are nanoseconds, of a text its bytes, of a list of numbers
// what each of them may be, of a list of structs how many there may be. A long double holds any of our
// integers.
struct interval {
  long double least = -std::numeric_limits<long double>::infinity();
  long double most = std::numeric_limits<long double>::infinity();
  bool above = false;          // `least` itself is too little
  bool below = false;          // `most` itself is too much
  bool bytes = false;          // a size, as in 512MiB
  std::string_view special{};  // the name of one more number,
  long double special_is = 0;  // and the number
  std::string_view advice{};   // what to do, or what a number means; may be empty
  std::string_view instead{};  // for people, where the range is more than an interval

  [[nodiscard]] constexpr interval with(std::string_view words) const {
    interval made = *this;
    made.advice = words;
    return made;
  }
  [[nodiscard]] constexpr interval or_also(std::string_view name, long double number) const {
    interval made = *this;
    made.special = name;
    made.special_is = number;
    return made;
  }
};

constexpr long double number_of(long double n) { return n; }
constexpr long double number_of(duration d) { return static_cast<long double>(d.count()); }

inline constexpr interval any{};
constexpr interval between(auto least, auto most) {
  return {.least = number_of(least), .most = number_of(most)};
}
constexpr interval at_least(auto least) { return {.least = number_of(least)}; }
constexpr interval at_most(auto most) { return {.least = 0, .most = number_of(most)}; }
constexpr interval above(auto least) { return {.least = number_of(least), .above = true}; }
constexpr interval above_to(auto least, auto most) {
  return {.least = number_of(least), .most = number_of(most), .above = true};
}
constexpr interval inside(auto least, auto most) {
  return {.least = number_of(least), .most = number_of(most), .above = true, .below = true};
}
constexpr interval bytes_at_least(std::size_t least) {
  return {.least = number_of(static_cast<long double>(least)), .bytes = true};
}
inline constexpr interval above_zero = above(duration::zero());
inline constexpr interval not_negative = at_least(duration::zero());
// Only the world knows whether it is one: a rule in pool/check_options.cpp asks it.
constexpr interval any_of(std::string_view words) { return {.instead = words}; }

// One line of a table. `none` says what std::nullopt means.
template <class Options, class Member>
struct option_line {
  std::string_view name;
  Member Options::* member;
  interval range;
  std::string_view sentence;
  std::string_view none;
};

template <class Options, class Member>
constexpr option_line<Options, Member> option(std::string_view name, Member Options::* member, interval range,
                                              std::string_view sentence, std::string_view none = {}) {
  return {name, member, range, sentence, none};
}
// A struct of options inside another; its own table says the rest.
template <class Options, class Member>
constexpr option_line<Options, Member> group(std::string_view name, Member Options::* member) {
  return {name, member, any, {}, {}};
}

// The table of a struct, in the order of its members. tests/unit/options counts them.
template <class Options>
struct described;

template <class T>
concept is_group = requires { described<T>::fields; };

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

// A list of structs, or of structs with a name each.
template <class T>
struct list_of_groups : std::false_type {};
template <is_group T>
struct list_of_groups<std::vector<T>> : std::true_type {
  using group = T;
  static constexpr std::string_view inside = "[]";
};
template <is_group T>
struct list_of_groups<std::vector<std::pair<std::string, T>>> : std::true_type {
  using group = T;
  static constexpr std::string_view inside = "[].second";
};

// A line of a table as a type: its parts are constants, and cost nothing unless they are used.
template <class Options, std::size_t I>
struct line_of {
private:
  static constexpr auto line = std::get<I>(described<Options>::fields);

public:
  static constexpr auto member = line.member;
  static constexpr std::string_view name = line.name;
  static constexpr interval range = line.range;
  static constexpr std::string_view sentence = line.sentence;
  static constexpr std::string_view none = line.none;
};

template <class Options>
inline constexpr std::size_t lines_of =
    std::tuple_size_v<std::remove_cvref_t<decltype(described<Options>::fields)>>;

// Calls `see(line_of<Options, I>())` for each line.
template <class Options, class See>
constexpr void each_line(See&& see) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (see(line_of<Options, I>()), ...);
  }(std::make_index_sequence<lines_of<Options>>());
}

// Where an option is, written out only when somebody asks.
struct place {
  const place* above = nullptr;
  std::string_view name{};
  std::size_t index = 0;  // where the name is empty: the index in the list above

  [[nodiscard]] std::string text() const {
    std::string made = above != nullptr ? above->text() : std::string();
    if (name.empty() && above != nullptr) return made + "[" + std::to_string(index) + "]";
    if (!made.empty()) made += '.';
    return made += name;
  }
};

}  // namespace muster::options
