// SPDX-License-Identifier: MIT
#include "options/text.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

namespace muster::options {
namespace {

struct unit {
  std::string_view name;
  double factor;
};

// A number that is not negative, and what follows it.
struct quantity {
  double number;
  std::string_view rest;
};

std::optional<quantity> take_number(std::string_view text) {
  quantity made{};
  const auto [end, problem] =
      std::from_chars(text.data(), text.data() + text.size(), made.number, std::chars_format::fixed);
  if (problem != std::errc() || !(made.number >= 0)) return std::nullopt;
  made.rest = std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end));
  return made;
}

template <class T>
std::optional<T> whole(std::string_view text) {
  T made{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), made);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return made;
}

// The number times its unit, where the product fits in 63 bits. A whole number exactly: a double has 53.
template <std::size_t N>
std::optional<std::uint64_t> measure(std::string_view text, const unit (&units)[N]) {
  const auto read = take_number(text);
  if (!read) return std::nullopt;
  const auto* const found = std::ranges::find(units, read->rest, &unit::name);
  if (found == std::end(units) || read->number * found->factor >= 9.2e18) return std::nullopt;
  if (const auto exact = whole<std::uint64_t>(text.substr(0, text.size() - read->rest.size())))
    return *exact * static_cast<std::uint64_t>(found->factor);
  return static_cast<std::uint64_t>(read->number * found->factor);
}

struct step {
  std::string_view name;
  std::uint64_t factor;
};

// In the largest of the units, from large to small, that divides it; 1 divides everything.
template <std::size_t N>
std::string in_units(std::uint64_t number, const step (&steps)[N]) {
  for (const auto& [name, factor] : steps)
    if (number >= factor && number % factor == 0) return fmt::format("{}{}", number / factor, name);
  return std::to_string(number);
}

}  // namespace

std::expected<duration, std::string> read_duration(std::string_view text) {
  static constexpr unit units[] = {{"", 1e9}, {"s", 1e9},  {"ms", 1e6},  {"us", 1e3},
                                   {"ns", 1}, {"m", 60e9}, {"h", 3600e9}};
  if (const auto length = measure(text, units)) return duration(static_cast<duration::rep>(*length));
  return std::unexpected(
      "is not a time: write a number with ms, s, m or h, as in 300ms, 5s, 2m; a plain number means seconds");
}

std::expected<std::uint64_t, std::string> read_size(std::string_view text) {
  static constexpr unit units[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"KB", 1e3},
                                   {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},   {"KiB", 1024.0},
                                   {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  if (const auto size = measure(text, units)) return *size;
  return std::unexpected(
      "is not a size: write a number with KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of "
      "1000), as in 512MiB; a plain number means bytes");
}

std::expected<std::int64_t, std::string> read_integer(std::string_view text) {
  if (const auto made = whole<std::int64_t>(text)) return *made;
  return std::unexpected("is not a whole number");
}

std::expected<std::uint64_t, std::string> read_count(std::string_view text) {
  if (const auto made = whole<std::uint64_t>(text)) return *made;
  return std::unexpected("is not a whole number from 0 up");
}

std::expected<double, std::string> read_real(std::string_view text) {
  double made = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), made);
  if (problem == std::errc() && end == text.data() + text.size() && std::isfinite(made)) return made;
  return std::unexpected("is not a number, as in 0.5");
}

std::expected<bool, std::string> read_flag(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::unexpected("is neither true nor false");
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return parts;
}

std::string show_duration(duration d) {
  static constexpr step steps[] = {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
                                   {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};
  const auto count = d.count();
  if (count == 0) return "0s";
  const auto size = count < 0 ? -static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  return (count < 0 ? "-" : "") + in_units(size, steps);
}

std::string show_size(std::uint64_t bytes) {
  static constexpr step steps[] = {{"TiB", std::uint64_t{1} << 40U},
                                   {"GiB", std::uint64_t{1} << 30U},
                                   {"MiB", std::uint64_t{1} << 20U},
                                   {"KiB", std::uint64_t{1} << 10U}};
  return in_units(bytes, steps);
}

std::string show_bound(long double number) {
  for (const int power : {31, 63})
    if (number == std::ldexp(1.0L, power)) return fmt::format("2^{}", power);
  if (number == std::floor(number)) return fmt::format("{:.0f}", static_cast<double>(number));
  return fmt::format("{}", static_cast<double>(number));
}

}  // namespace muster::options
