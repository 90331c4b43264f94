// SPDX-License-Identifier: MIT
// Sets options from text.
#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <muster/error.hpp>
#include <muster/option_text.hpp>

#include "options/text.hpp"
#include "options/walk.hpp"

namespace muster {
namespace {

using namespace options;

// What came of it: std::nullopt where there is no such option, else what is wrong, or nothing.
using outcome = std::optional<std::string>;

template <class Group>
outcome set_in(Group& group, std::string_view path, std::string_view text);

template <class Line, class T>
outcome set_value(T& value, std::string_view rest, std::string_view text) {
  if constexpr (is_group<T>) {
    if (!rest.empty()) return set_in(value, rest, text);
    return "is a group: set its options, each by its name";
  } else if constexpr (is_optional<T>) {
    using inner = typename T::value_type;
    if (rest.empty() && text == "none") {
      value.reset();
      return "";
    }
    inner made = value.value_or(inner());
    outcome came = set_value<Line>(made, rest, text);
    if (came && came->empty()) value = std::move(made);
    return came;
  } else if constexpr (has_text<T>) {
    if (!rest.empty()) return std::nullopt;
    auto made = read<T>(text, Line::range);
    if (!made) {
      const std::string range = range_text<T>(Line::range);
      return enumeration<T> || range.empty() ? made.error() : made.error() + "; range: " + range;
    }
    bool fits = true;
    if constexpr (std::same_as<T, std::vector<int>>)
      for (const int each : *made) fits = fits && is_within<Line>(each);
    else
      fits = is_within<Line>(*made);
    if (!fits) return advice_for<T>(Line::range, Line::none, "none");
    value = *std::move(made);
    return "";
  } else {
    return "can only be set in C++";
  }
}

template <class Group>
outcome set_in(Group& group, std::string_view path, std::string_view text) {
  const std::size_t dot = path.find('.');
  const std::string_view first = path.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  outcome came;
  each_line<Group>([&](auto line) {
    using described_line = decltype(line);
    if (described_line::name == first)
      came = set_value<described_line>(group.*described_line::member, rest, text);
  });
  return came;
}

// How many letters have to be changed, added or left out.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::string_view last_word(std::string_view path) { return path.substr(path.rfind('.') + 1); }

// The three that are most like it: in their last word, or else in all.
template <class Options>
std::string nearest(std::string_view wanted) {
  std::vector<std::pair<std::size_t, std::string>> known;
  auto see = [&](const std::string& path, auto, const auto& value) {
    using member = std::remove_cvref_t<decltype(value)>;
    if constexpr (!is_group<member>)
      if (path.find('[') == std::string::npos)
        known.emplace_back(std::min(2 * distance(last_word(wanted), last_word(path)), distance(wanted, path)),
                           path);
  };
  each_path({}, Options(), see);
  std::ranges::sort(known);
  return fmt::format("{}, {}, {}", known[0].second, known[1].second, known[2].second);
}

template <class Options>
void set_all(Options& options, std::span<const std::string> settings) {
  Options made = options;
  std::string problems;
  const auto add = [&](std::string_view setting, std::string_view why) {
    if (!problems.empty()) problems += '\n';
    problems.append(setting).append(": ").append(why);
  };
  for (const std::string& setting : settings) {
    const std::size_t sign = setting.find('=');
    if (sign == std::string::npos) {
      add(setting, "has no '='; write OPTION=VALUE, as in queue.capacity=1000");
      continue;
    }
    const std::string_view path = std::string_view(setting).substr(0, sign);
    const outcome came = set_in(made, path, std::string_view(setting).substr(sign + 1));
    if (!came)
      add(setting, "there is no such option; near to it are " + nearest<Options>(path));
    else if (!came->empty())
      add(setting, *came);
  }
  if (!problems.empty()) throw invalid_options(problems);
  options = std::move(made);
}

}  // namespace

void set_options(thread_options& options, std::span<const std::string> settings) {
  set_all(options, settings);
}
void set_options(process_options& options, std::span<const std::string> settings) {
  set_all(options, settings);
}
void set_options(task_options& options, std::span<const std::string> settings) { set_all(options, settings); }

}  // namespace muster
