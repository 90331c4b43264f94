// SPDX-License-Identifier: MIT
#pragma once

// Names of the enumerators among options: each is spelled as in C++. A value that is none has an empty name;
// the values of all are 0, 1, 2 and so on.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <muster/options.hpp>

namespace muster::options {

using muster::name;  // strategy, log_level, fault_step, fault_action

template <std::size_t N>
constexpr std::string_view pick(const std::string_view (&names)[N], auto value) {
  const auto at = static_cast<std::size_t>(value);
  return at < N ? names[at] : std::string_view();
}

constexpr std::string_view name(jitter value) {
  constexpr std::string_view names[] = {"none", "equal", "full"};
  return pick(names, value);
}
constexpr std::string_view name(when_full value) {
  constexpr std::string_view names[] = {"wait", "reject", "caller_runs", "drop_oldest", "drop_newest"};
  return pick(names, value);
}
constexpr std::string_view name(affinity value) {
  constexpr std::string_view names[] = {"soft", "hard"};
  return pick(names, value);
}
constexpr std::string_view name(on_destroy value) {
  constexpr std::string_view names[] = {"drain", "cancel"};
  return pick(names, value);
}
constexpr std::string_view name(on_post_error value) {
  constexpr std::string_view names[] = {"report", "terminate"};
  return pick(names, value);
}
constexpr std::string_view name(isolation value) {
  constexpr std::string_view names[] = {"none", "contain"};
  return pick(names, value);
}
constexpr std::string_view name(lifetime value) {
  constexpr std::string_view names[] = {"lasting", "per_task"};
  return pick(names, value);
}
constexpr std::string_view name(worker_stderr value) {
  constexpr std::string_view names[] = {"forward", "keep"};
  return pick(names, value);
}
constexpr std::string_view name(capture value) {
  constexpr std::string_view names[] = {"off", "keep", "forward"};
  return pick(names, value);
}

// As `name`, and empty for any value that is none: a log_level that is none calls itself unknown.
template <class Enum>
std::string_view name_or_none(Enum value) {
  const std::string_view found = name(value);
  return found == "unknown" ? std::string_view() : found;
}

template <class Enum, class See>
void each_value(See&& see) {
  for (int i = 0; !name_or_none(static_cast<Enum>(i)).empty(); ++i) see(static_cast<Enum>(i));
}

// "wait, reject, caller_runs"
template <class Enum>
std::string names_of() {
  std::string all;
  each_value<Enum>([&](Enum each) {
    if (!all.empty()) all += ", ";
    all += name(each);
  });
  return all;
}

template <class Enum>
std::optional<Enum> named(std::string_view wanted) {
  std::optional<Enum> found;
  each_value<Enum>([&](Enum each) {
    if (name(each) == wanted) found = each;
  });
  return found;
}

}  // namespace muster::options
