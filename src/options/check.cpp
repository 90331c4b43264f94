// SPDX-License-Identifier: MIT
#include "options/check.hpp"

#include "options/tables.hpp"
#include "options/text.hpp"
#include "options/walk.hpp"

namespace muster::options {
namespace {

template <class Group>
void check_group(problems& bad, const Group& group, const place* at);

template <class Line, class Value>
void add(problems& bad, const Value& value, const place& at) {
  std::string shown;
  if constexpr (std::same_as<Value, std::string>)
    shown = fmt::format("{} bytes", value.size());
  else if constexpr (has_text<Value>)
    shown = show(value, Line::range);
  else if constexpr (list_of_groups<Value>::value)
    shown = fmt::format("{} of them", value.size());
  bad.add(at.text(), shown, advice_for<Line>(value, "std::nullopt"));
}

template <class Line, class Value>
void check_value(problems& bad, const Value& value, const place& at) {
  if constexpr (is_optional<Value>) {
    if (value) check_value<Line>(bad, *value, at);
  } else if constexpr (is_group<Value>) {
    check_group(bad, value, &at);
  } else if constexpr (list_of_groups<Value>::value) {
    if (!is_within<Line>(value)) add<Line>(bad, value, at);
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
      if (!is_within<Line>(value[i])) add<Line>(bad, value[i], {.above = &at, .index = i});
  } else if constexpr (has_text<Value>) {
    if (!is_within<Line>(value)) add<Line>(bad, value, at);
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

// Of an element of a list, that of the list.
template <class Options>
void sort_as(problems& bad) {
  if (bad.empty()) return;
  std::vector<std::string> paths;
  auto see = [&](const std::string& path, auto, const auto&) { paths.push_back(path); };
  each_path({}, Options(), see);
  bad.sort([&](std::string_view option) {
    return static_cast<std::size_t>(std::ranges::find(paths, option.substr(0, option.find('['))) -
                                    paths.begin());
  });
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
