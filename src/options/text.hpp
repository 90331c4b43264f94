// SPDX-License-Identifier: MIT
#pragma once

// Values of options as a person writes them, and back: 5s, 512MiB, 1024, reject, none. Plain functions; what
// cannot be read is answered with a sentence that says what can.

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "options/describe.hpp"
#include "options/names.hpp"

namespace muster::options {

// ---- text.cpp

// "300ms", "5s", "2m", "1h", "0.5" (seconds). Not negative.
std::expected<duration, std::string> read_duration(std::string_view text);
// "512MiB", "2GiB", "500MB", "1000000" (bytes).
std::expected<std::uint64_t, std::string> read_size(std::string_view text);
std::expected<std::int64_t, std::string> read_integer(std::string_view text);
std::expected<std::uint64_t, std::string> read_count(std::string_view text);
std::expected<double, std::string> read_real(std::string_view text);
std::expected<bool, std::string> read_flag(std::string_view text);
// "PATH,HOME": what is between the commas. Nothing: no element.
std::vector<std::string_view> split(std::string_view text);

// In the largest unit that divides it: "1m", "90s", "1ns".
std::string show_duration(duration d);
// The same for bytes: "512MiB", "1000".
std::string show_size(std::uint64_t bytes);
// "1000000", "0.001", "2^31".
std::string show_bound(long double number);

// ---- what a value is

template <class T>
concept number = std::is_arithmetic_v<T> && !std::same_as<T, bool>;
template <class T>
concept enumeration = std::is_enum_v<T>;
template <class T>
inline constexpr bool is_sequence = false;
template <class T>
inline constexpr bool is_sequence<std::vector<T>> = !std::same_as<T, int>;  // of numbers each has the range
template <class T>
concept list_of_texts = std::same_as<T, std::vector<std::string>> || std::same_as<T, std::vector<int>> ||
                        std::same_as<T, std::vector<std::pair<std::string, std::string>>>;
// All others are functions, sinks and the like.
template <class T>
concept has_text = number<T> || enumeration<T> || list_of_texts<T> || std::same_as<T, bool> ||
                   std::same_as<T, duration> || std::same_as<T, std::string> || std::same_as<T, priority>;

// ---- to text

template <has_text T>
std::string show(const T& value, const interval& range) {
  if constexpr (std::same_as<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::same_as<T, duration>)
    return show_duration(value);
  else if constexpr (std::same_as<T, std::string>)
    return value;
  else if constexpr (std::same_as<T, priority>)
    return std::to_string(value.value);
  else if constexpr (enumeration<T>) {
    const std::string_view named = name_or_none(value);
    return named.empty() ? std::to_string(static_cast<int>(value)) : std::string(named);
  } else if constexpr (number<T>) {
    if (!range.special.empty() && static_cast<long double>(value) == range.special_is)
      return std::string(range.special);
    if constexpr (std::unsigned_integral<T>)
      if (range.bytes) return show_size(value);
    return fmt::format("{}", value);
  } else {
    std::string all;
    std::string_view comma;
    for (const auto& each : value) {
      all += std::exchange(comma, ",");
      if constexpr (std::same_as<T, std::vector<int>>)
        all += std::to_string(each);
      else if constexpr (std::same_as<T, std::vector<std::string>>)
        all += each;
      else
        all += each.first + '=' + each.second;
    }
    if constexpr (std::same_as<T, std::vector<std::string>>)
      if (!value.empty() && value.back().empty()) all += ',';  // or the last one would not be seen
    return all;
  }
}

// ---- from text

template <has_text T>
std::expected<T, std::string> read(std::string_view text, const interval& range) {
  const auto as = [](auto made) -> std::expected<T, std::string> {
    if (!made) return std::unexpected(std::move(made.error()));
    if constexpr (number<T>)
      if (!std::in_range<T>(*made)) return std::unexpected(fmt::format("'{}' is too large", *made));
    return static_cast<T>(*made);
  };
  if constexpr (std::same_as<T, bool>)
    return read_flag(text);
  else if constexpr (std::same_as<T, duration>)
    return read_duration(text);
  else if constexpr (std::same_as<T, std::string>)
    return std::string(text);
  else if constexpr (std::same_as<T, double>)
    return read_real(text);
  else if constexpr (enumeration<T>) {
    if (const auto found = named<T>(text)) return *found;
    return std::unexpected(fmt::format("known: {}", names_of<T>()));
  } else if constexpr (std::same_as<T, priority>) {
    if (const auto level = read_integer(text); level && std::in_range<int>(*level))
      return priority(static_cast<int>(*level));
    for (const char* each : {"critical", "high", "normal", "low"})
      if (text == each) return priority_named(text);
    return std::unexpected("known: critical, high, normal, low, or any integer");
  } else if constexpr (number<T>) {
    if (!range.special.empty() && text == range.special) return static_cast<T>(range.special_is);
    if constexpr (std::signed_integral<T>)
      return as(read_integer(text));
    else
      return range.bytes ? as(read_size(text)) : as(read_count(text));
  } else {
    T all;
    for (const std::string_view each : split(text)) {
      if constexpr (std::same_as<T, std::vector<int>>) {
        auto one = read<int>(each, range);
        if (!one) return std::unexpected(std::move(one.error()));
        all.push_back(*one);
      } else if constexpr (std::same_as<T, std::vector<std::string>>) {
        all.emplace_back(each);
      } else {
        const auto sign = each.find('=');
        if (sign == std::string_view::npos)
          return std::unexpected(fmt::format("'{}' has no '='; write NAME=value, with commas between", each));
        all.emplace_back(each.substr(0, sign), each.substr(sign + 1));
      }
    }
    return all;
  }
}

// ---- ranges

// A bound as the type has it: what it cannot hold is as far as it goes.
template <class T>
constexpr T bound(long double number) {
  using limits = std::numeric_limits<T>;
  if (number <= static_cast<long double>(limits::lowest())) return limits::lowest();
  if (number >= static_cast<long double>(limits::max())) return limits::max();
  return static_cast<T>(number);
}

template <class Line, class T>
bool is_within(const T& value) {
  constexpr interval range = Line::range;
  if constexpr (std::same_as<T, duration>)
    return is_within<Line>(value.count());
  else if constexpr (number<T>) {
    constexpr T least = bound<T>(range.least), most = bound<T>(range.most);
    if constexpr (!range.special.empty())
      if (value == bound<T>(range.special_is)) return true;
    return (range.above ? value > least : value >= least) && (range.below ? value < most : value <= most);
  } else if constexpr (enumeration<T>)
    return value == T{} || !name_or_none(value).empty();  // see each_value
  else if constexpr (requires { value.size(); })
    return static_cast<long double>(value.size()) >= range.least &&
           static_cast<long double>(value.size()) <= range.most;
  else
    return true;
}

// "1..1000", "at least 16MiB", "above 0 and below 1", "soft, hard". Empty: whatever the type holds.
template <class T>
std::string range_text(const interval& range) {
  if constexpr (is_optional<T>)
    return range_text<typename T::value_type>(range);
  else if constexpr (enumeration<T>)
    return names_of<T>();
  else if constexpr (std::same_as<T, bool>)
    return "true, false";
  else if constexpr (std::same_as<T, priority>)
    return "any integer, or critical, high, normal, low";
  else {
    if (!range.instead.empty()) return std::string(range.instead);
    const auto bound_text = [&](long double number) {
      if constexpr (std::same_as<T, duration>)
        return show_duration(duration(static_cast<duration::rep>(number)));
      return range.bytes ? show_size(static_cast<std::uint64_t>(number)) : show_bound(number);
    };
    const bool low = std::isfinite(range.least), high = std::isfinite(range.most);
    std::string made;
    if constexpr (std::same_as<T, std::string> || is_sequence<T>) {
      const char* const unit = std::same_as<T, std::string> ? " bytes" : " of them";
      if (high) made = "at most " + bound_text(range.most) + unit;
    } else if (range.above) {
      made = "above " + (range.least == 0 ? std::string("0") : bound_text(range.least));
      if (high) made += (range.below ? " and below " : ", at most ") + bound_text(range.most);
    } else if (low && high) {
      made = bound_text(range.least) + ".." + bound_text(range.most);
    } else if (low) {
      made = range.least == 0 ? std::string("0 or more") : "at least " + bound_text(range.least);
    }
    if (!range.special.empty()) made += ", or " + std::string(range.special);
    return made;
  }
}

// What is said of a value that is not within its range: "range 1..1000; 1 means never again". `none` is what
// std::nullopt means, and `nothing` how that is written there. One function for a type, not for each option.
template <class T>
std::string advice_for(const interval& range, std::string_view none, std::string_view nothing) {
  std::string made = range_text<T>(range);
  if constexpr (enumeration<T>)
    made = "known: " + made;
  else if (made.find("..") != std::string::npos)
    made = "range " + made;
  if (!range.advice.empty()) made.append("; ").append(range.advice);
  if (!none.empty()) made.append("; ").append(nothing).append(": ").append(none);
  return made;
}

}  // namespace muster::options
