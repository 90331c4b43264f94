// SPDX-License-Identifier: MIT
#include "options/check.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "options/tables.hpp"
#include "options/text.hpp"

namespace muster::options {
namespace {

template <class Group>
void check_group(problems& bad, const Group& group, const place* at);

template <class Value>
[[gnu::noinline, gnu::cold]] void add(problems& bad, const Value& value, const place& at,
                                      const interval& range, std::string_view none) {
  std::string shown;
  if constexpr (std::same_as<Value, std::string>)
    shown = fmt::format("{} bytes", value.size());
  else if constexpr (has_text<Value>)
    shown = show(value, range);
  else if constexpr (list_of_groups<Value>::value)
    shown = fmt::format("{} of them", value.size());
  bad.add(at.text(), shown, advice_for<Value>(range, none, "std::nullopt"));
}

template <class Line, class Value>
void check_value(problems& bad, const Value& value, const place& at) {
  if constexpr (is_optional<Value>) {
    if (value) check_value<Line>(bad, *value, at);
  } else if constexpr (is_group<Value>) {
    check_group(bad, value, &at);
  } else if constexpr (list_of_groups<Value>::value) {
    if (!is_within<Line>(value)) add(bad, value, at, Line::range, Line::none);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const place each{.above = &at, .index = i};
      if constexpr (is_group<typename Value::value_type>)
        check_group(bad, value[i], &each);
      else {
        const place second{.above = &each, .name = "second"};
        check_group(bad, value[i].second, &second);
      }
    }
  } else if constexpr (std::same_as<Value, std::vector<int>>) {
    for (std::size_t i = 0; i < value.size(); ++i)
      if (!is_within<Line>(value[i])) add(bad, value[i], {.above = &at, .index = i}, Line::range, Line::none);
  } else if constexpr (has_text<Value>) {
    if (!is_within<Line>(value)) add(bad, value, at, Line::range, Line::none);
  }
}

template <class Group>
void check_group(problems& bad, const Group& group, const place* at) {
  each_line<Group>([&](auto line) {
    using described_line = decltype(line);
    check_value<described_line>(bad, group.*described_line::member,
                                {.above = at, .name = described_line::name});
  });
}

// The names of a struct's options, and of those inside them: data, not code.
struct named_option {
  std::string_view name;
  std::span<const named_option> inside;
};

template <class Group>
struct names_in;

template <class Member>
constexpr std::span<const named_option> inside() {
  if constexpr (is_group<Member>)
    return names_in<Member>::all;
  else if constexpr (is_optional<Member>)
    return inside<typename Member::value_type>();
  else
    return {};
}

template <class Group>
struct names_in {
  static constexpr auto all = [] {
    std::array<named_option, lines_of<Group>> made{};
    std::size_t at = 0;
    each_line<Group>([&](auto line) {
      using member = std::remove_cvref_t<decltype(std::declval<Group&>().*decltype(line)::member)>;
      made[at++] = {line.name, inside<member>()};
    });
    return made;
  }();
};

// Where it is declared. Of an element of a list: where that is.
std::size_t declared_at(std::string_view option, std::span<const named_option> all) {
  constexpr std::size_t most_in_a_group = 64, levels = 4;
  std::size_t at = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string_view first = option.substr(0, option.find_first_of(".["));
    const auto found = std::ranges::find(all, first, &named_option::name);
    at = at * most_in_a_group + (found != all.end() ? static_cast<std::size_t>(found - all.begin()) : 0);
    option =
        option.size() > first.size() && option[first.size()] == '.' ? option.substr(first.size() + 1) : "";
    all = found != all.end() ? found->inside : std::span<const named_option>();
  }
  return at;
}

template <class Options>
void sort_as(problems& bad) {
  static_assert(lines_of<Options> <= 64);
  if (!bad.empty())
    bad.sort([](std::string_view option) { return declared_at(option, names_in<Options>::all); });
}

}  // namespace

void check_ranges(problems& bad, const thread_options& options) { check_group(bad, options, nullptr); }
void check_ranges(problems& bad, const process_options& options) { check_group(bad, options, nullptr); }
void check_ranges(problems& bad, const task_options& options) { check_group(bad, options, nullptr); }
void check_ranges(problems& bad, const recycle_options& options) { check_group(bad, options, nullptr); }
void check_ranges(problems& bad, std::string_view name, const limit_options& options) {
  const place at{.name = name};
  check_group(bad, options, &at);
}
void check_ranges(problems& bad, std::string_view name, const worker_options& options) {
  const place at{.name = name};
  check_group(bad, options, &at);
}

void sort_as_thread_options(problems& bad) { sort_as<thread_options>(bad); }
void sort_as_process_options(problems& bad) { sort_as<process_options>(bad); }
void sort_as_task_options(problems& bad) { sort_as<task_options>(bad); }

}  // namespace muster::options
