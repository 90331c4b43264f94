// SPDX-License-Identifier: MIT
#include "cli/halt.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace muster::cli {
namespace {

constexpr std::uint64_t least_for_percent = 3;
constexpr double most_calls = 1e15;  // counts below are exact

}  // namespace

bool halt_rule::is_reached(std::uint64_t done, std::uint64_t failed) const noexcept {
  const std::uint64_t count =
      what == counted::fail ? failed : (what == counted::success ? done - failed : done);
  if (!percent) return static_cast<double>(count) >= limit;
  return done >= least_for_percent && static_cast<double>(count) * 100 >= limit * static_cast<double>(done);
}

std::string halt_rule::reason() const {
  const char* const verb =
      what == counted::fail ? "failed" : (what == counted::success ? "succeeded" : "were done");
  return percent ? fmt::format("{} % of the calls {}", limit, verb)
                 : fmt::format("{} {} {}", limit, limit == 1 ? "call" : "calls",
                               limit == 1 && what == counted::done ? "was done" : verb);
}

std::expected<halt_rule, std::string> parse_halt(std::string_view text) {
  const auto refuse = [](std::string_view why) {
    return std::unexpected(
        fmt::format("{}; write WHEN,WHAT=N: soon (what runs may finish) or now, then fail, success or done, "
                    "with a number, or for fail and success a percentage of what is done, as in "
                    "soon,fail=3 or now,fail=10%",
                    why));
  };
  halt_rule made;
  const auto comma = text.find(',');
  const auto equals = text.find('=');
  if (comma == std::string_view::npos || equals == std::string_view::npos || equals < comma)
    return refuse("it has not all its parts");
  const std::string_view when = text.substr(0, comma);
  const std::string_view what = text.substr(comma + 1, equals - comma - 1);
  std::string_view number = text.substr(equals + 1);
  if (when != "soon" && when != "now") return refuse(fmt::format("'{}' is neither soon nor now", when));
  made.at_once = when == "now";
  if (what == "fail")
    made.what = halt_rule::counted::fail;
  else if (what == "success")
    made.what = halt_rule::counted::success;
  else if (what == "done")
    made.what = halt_rule::counted::done;
  else
    return refuse(fmt::format("'{}' is none of fail, success and done", what));
  made.percent = number.ends_with('%');
  if (made.percent) number.remove_suffix(1);
  const auto [stopped, wrong] = std::from_chars(number.data(), number.data() + number.size(), made.limit);
  if (wrong != std::errc() || stopped != number.data() + number.size() || !std::isfinite(made.limit))
    return refuse(fmt::format("'{}' is not a number", number));
  if (made.percent && made.what == halt_rule::counted::done) return refuse("done is a number of calls");
  if (made.percent ? !(made.limit > 0 && made.limit <= 100)
                   : !(made.limit >= 1 && made.limit <= most_calls && made.limit == std::floor(made.limit)))
    return refuse(made.percent ? "a percentage is above 0 and at most 100"
                               : "a number is whole and at least 1");
  return made;
}

}  // namespace muster::cli
