// SPDX-License-Identifier: MIT
// `muster config`: the options with which `muster run` begins, and where each comes from.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <muster/option_text.hpp>

#include "cli/run.hpp"
#include "cli/run_arguments.hpp"

namespace muster::cli {
namespace {

struct shown_option {
  std::string name;
  std::string value;
  std::string origin;  // empty: its default
};

std::vector<shown_option> options_of_run(const outer_options& outer) {
  std::vector<shown_option> all;
  for (const option_default& each : configurable_options()) {
    if (each.option.name == "set") continue;
    shown_option shown{each.option.name, each.initial, {}};
    for (const found_option& found : outer.found)  // the last one wins
      if (found.name == shown.name) shown = {shown.name, found.value, found.origin};
    all.push_back(std::move(shown));
  }
  return all;
}

/// A group that is not there by default, such as breaker, has no values as long as nobody sets one of them.
bool is_absent(const std::string& path, const std::vector<std::string>& groups, const outer_options& outer) {
  return std::ranges::any_of(groups, [&](const std::string& group) {
    return path.starts_with(group) && std::ranges::none_of(outer.assignments, [&](const assignment& said) {
             return !said.of_call && said.path.starts_with(group);
           });
  });
}

std::vector<shown_option> options_of_pool(const outer_options& outer) {
  std::vector<shown_option> all;
  std::vector<std::string> groups;
  for (const option_description& each : describe_options()) {
    if (each.of == option_description::owner::pool && each.kind == "group" && each.initial == "none")
      groups.push_back(each.path + '.');
    if (each.of != option_description::owner::pool || !each.processes || !each.by_text ||
        each.path == "start" || is_absent(each.path, groups, outer))
      continue;
    shown_option shown{each.path, each.initial.empty() ? "none" : each.initial, {}};
    for (const assignment& said : outer.assignments)
      if (!said.of_call && said.path == shown.name) shown = {shown.name, said.value, said.origin};
    all.push_back(std::move(shown));
  }
  return all;
}

void print(const std::vector<shown_option>& options, const char* before, bool show_origin) {
  for (const shown_option& each : options) {
    const std::string line = fmt::format("{}{} = {}", before, each.name, each.value);
    if (show_origin)
      fmt::print("{:<44} {}\n", line, each.origin.empty() ? "default" : each.origin);
    else if (!each.origin.empty() && each.origin != "muster run")
      fmt::print("{}\n", line);
  }
}

}  // namespace

int config(const config_command& asked) {
  run_command run;
  outer_options outer = read_outer(asked.file, run);
  const auto of_run = options_of_run(outer);
  const auto of_pool = options_of_pool(outer);
  const std::string wrong = check_outer(std::move(outer), run);
  if (!wrong.empty()) {
    fmt::print(stderr, "muster: {}\n", wrong);
    return exit_code::usage;
  }
  print(of_run, "", asked.show_origin);
  print(of_pool, "set ", asked.show_origin);
  return std::fflush(stdout) == 0 ? exit_code::done : exit_code::some_failed;
}

}  // namespace muster::cli
