// SPDX-License-Identifier: MIT
// The options as they are described for people.
#include <algorithm>
#include <string>
#include <vector>

#include <muster/option_text.hpp>

#include "options/text.hpp"
#include "options/walk.hpp"

namespace muster {
namespace {

using namespace options;

template <class T>
std::string kind_of(const interval& range) {
  if constexpr (is_optional<T>)
    return kind_of<typename T::value_type>(range);
  else if constexpr (is_group<T>)
    return "group";
  else if constexpr (list_of_groups<T>::value)
    return "list of structs";
  else if constexpr (std::same_as<T, bool>)
    return "flag";
  else if constexpr (std::same_as<T, duration>)
    return "time";
  else if constexpr (std::same_as<T, std::string>)
    return "text";
  else if constexpr (std::same_as<T, priority>)
    return "number or name";
  else if constexpr (enumeration<T>)
    return "name";
  else if constexpr (std::same_as<T, double>)
    return "number";
  else if constexpr (number<T>)
    return range.bytes ? "size" : "whole number";
  else if constexpr (std::same_as<T, std::vector<int>>)
    return "list of numbers";
  else if constexpr (std::same_as<T, std::vector<std::string>>)
    return "list of texts";
  else if constexpr (list_of_texts<T>)
    return "list of NAME=text";
  else
    return "in C++ only";
}

template <class T>
std::string initial_of(const T& value, const interval& range) {
  if constexpr (is_optional<T>)
    return value ? initial_of(*value, range) : "none";
  else if constexpr (has_text<T>)
    return show(value, range);
  else
    return {};
}

template <class T>
inline constexpr bool has_range = true;
template <class T>
inline constexpr bool has_range<std::optional<T>> = has_range<T>;
template <is_group T>
inline constexpr bool has_range<T> = false;

template <class T>
constexpr bool is_by_text() {
  if constexpr (is_optional<T>)
    return has_text<typename T::value_type>;
  else
    return has_text<T>;
}

template <class Line, class T>
option_description describe(const std::string& path, const T& value) {
  option_description made{.path = path,
                          .kind = kind_of<T>(Line::range),
                          .initial = initial_of(value, Line::range),
                          .about = std::string(Line::sentence),
                          .by_text = is_by_text<T>() && path.find('[') == std::string::npos};
  if constexpr (has_range<T> && (is_by_text<T>() || list_of_groups<T>::value))
    made.range = range_text<T>(Line::range);
  if (!Line::none.empty()) made.about += fmt::format(" none: {}.", Line::none);
  return made;
}

template <class Options>
std::vector<option_description> all_of(option_description::owner of) {
  std::vector<option_description> all;
  auto see = [&](const std::string& path, auto line, const auto& value) {
    using member = std::remove_cvref_t<decltype(value)>;
    if constexpr (is_group<member>) return;  // says nothing that its own options do not
    all.push_back(describe<decltype(line)>(path, value));
    all.back().of = of;
  };
  each_path({}, Options(), see);
  return all;
}

}  // namespace

std::vector<option_description> describe_options() {
  using owner = option_description::owner;
  auto all = all_of<process_options>(owner::pool);
  for (auto& each : all) each.processes = true;
  for (auto& each : all_of<thread_options>(owner::pool)) {
    auto found = std::ranges::find(all, each.path, &option_description::path);
    if (found == all.end()) found = all.insert(all.end(), std::move(each));
    found->threads = true;
  }
  std::ranges::copy(all_of<task_options>(owner::task), std::back_inserter(all));
  std::ranges::copy(all_of<recycle_options>(owner::recycle), std::back_inserter(all));
  return all;
}

}  // namespace muster
