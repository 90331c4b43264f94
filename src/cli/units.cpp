// SPDX-License-Identifier: MIT
#include "cli/units.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include <muster/error.hpp>

namespace muster::cli {
namespace {

struct unit {
  std::string_view name;
  double factor;
};

/// A number that is not negative, and what follows it.
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

/// The number times its unit, where the product fits in 63 bits.
template <std::size_t N>
std::optional<double> measure(std::string_view text, const unit (&units)[N]) {
  const auto read = take_number(text);
  if (!read) return std::nullopt;
  const auto* const found = std::ranges::find(units, read->rest, &unit::name);
  if (found == std::end(units) || read->number * found->factor >= 9.2e18) return std::nullopt;
  return read->number * found->factor;
}

std::optional<int> take_count(std::string_view text) {
  int count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem != std::errc() || end != text.data() + text.size() || count < 0 || count > 4096)
    return std::nullopt;
  return count;
}

}  // namespace

std::expected<duration, std::string> parse_duration(std::string_view text) {
  static constexpr unit units[] = {{"", 1e9},   {"s", 1e9},  {"ms", 1e6},
                                   {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
  if (const auto length = measure(text, units)) return duration(static_cast<duration::rep>(*length));
  return std::unexpected(
      fmt::format("'{}' is not a time: write a number with ms, s, m or h, as in 300ms, 5s, 2m; a plain "
                  "number means seconds",
                  text));
}

std::expected<std::size_t, std::string> parse_size(std::string_view text) {
  static constexpr unit units[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"KB", 1e3},
                                   {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},   {"KiB", 1024.0},
                                   {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  if (const auto size = measure(text, units)) return static_cast<std::size_t>(*size);
  return std::unexpected(
      fmt::format("'{}' is not a size: write a number with KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, "
                  "GB, TB (powers of "
                  "1000), as in 512MiB; a plain number means bytes",
                  text));
}

std::expected<worker_options, std::string> parse_workers(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto least = take_count(text.substr(0, colon));
  const auto most = colon == std::string_view::npos ? least : take_count(text.substr(colon + 1));
  if (least && most && *most >= 1 && *least <= *most) return worker_options{.min = *least, .max = *most};
  return std::unexpected(fmt::format(
      "'{}' is not a number of workers: write a number from 1 to 4096, or MIN:MAX as in 1:8 (MIN may be 0)",
      text));
}

std::expected<strategy, std::string> parse_strategy(std::string_view text) try {
  return strategy_named(text);
} catch (const invalid_options& e) {
  return std::unexpected(e.what());
}

}  // namespace muster::cli
