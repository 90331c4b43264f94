// SPDX-License-Identifier: MIT
// The file of `muster run`'s options.
#include <algorithm>
#include <charconv>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/layers.hpp"
#include "cli/run_arguments.hpp"
#include "fuzz/memory_file.hpp"
#include "fuzz/target.hpp"

namespace muster::fuzz {
namespace {

using cli::found_option;
using cli::known_option;

const std::vector<known_option>& known_options() {
  static const std::vector<known_option> all = [] {
    std::vector<known_option> made;
    for (const auto& each : cli::configurable_options()) made.push_back(each.option);
    return made;
  }();
  return all;
}

// "path:3:14", of a file that has so many lines.
void hold_names_a_place(std::string_view told, const std::string& path, std::size_t lines) {
  hold(told.starts_with(path + ':'), "told without its file: ", told);
  told.remove_prefix(path.size() + 1);
  std::size_t line = 0;
  const auto end = std::from_chars(told.data(), told.data() + told.size(), line).ptr;
  hold(line >= 1 && line <= lines && *end == ':', "a place that is none: ", told);
}

using named_value = std::pair<std::string, std::string>;
std::vector<named_value> values_of(const std::vector<found_option>& found) {
  std::vector<named_value> all;
  for (const found_option& each : found) all.emplace_back(each.name, each.value);
  std::ranges::sort(all);
  return all;
}

// A text as TOML and JSON both write it.
std::string quoted(const std::string& text) {
  std::string made;
  for (const char c : nlohmann::json(text).dump()) made += c == '\x7f' ? "\\u007f" : std::string(1, c);
  return made;
}

// The same options, written plainly.
std::string printed(const std::vector<found_option>& found) {
  std::string options, settings = "[set]\n";
  for (const found_option& each : found) {
    const bool is_flag = std::ranges::any_of(
        known_options(), [&](const known_option& known) { return known.name == each.name && known.flag; });
    const std::size_t equals = each.value.find('=');
    if (each.name == "set")
      settings += quoted(each.value.substr(0, equals)) + " = " + quoted(each.value.substr(equals + 1)) + '\n';
    else
      options += each.name + " = " + (is_flag ? each.value : quoted(each.value)) + '\n';
  }
  return options + settings;
}

// One name may be written in two ways, and a name may have '=' in it: not when it is printed.
bool can_be_printed(const std::vector<found_option>& found) {
  std::vector<std::string> names;
  for (const found_option& each : found) {
    if (each.name != "set") continue;
    names.push_back(each.value.substr(0, each.value.find('=')));
    if (std::ranges::count(each.value, '=') > 1) return false;
  }
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end();
}

void hold_is_taken(const std::string& path, const std::vector<found_option>& found) {
  cli::run_command run;
  cli::outer_options outer = cli::read_outer(path, run);
  const std::string wrong = cli::check_outer(std::move(outer), run);
  // What is wrong with several options together has no one place.
  if (!wrong.empty())
    return hold(wrong.contains(path + ':') || wrong.contains("--set queue: "),
                "a problem without its place: ", wrong);
  for (const found_option& each : found) {
    const bool is_other = (each.name == "joblog" && run.job_log_path != each.value) ||
                          (each.name == "results" && run.results_path != each.value) ||
                          (each.name == "events" && run.events_path != each.value);
    hold(!is_other, each.name, " = ", each.value, " was taken as another");
  }
}

void configuration(std::string_view input) {
  const memory_file file(input);
  const auto lines = static_cast<std::size_t>(std::ranges::count(input, '\n')) + 1;
  const cli::option_layer layer = cli::read_config(file.path(), known_options());
  for (const std::string& each : layer.problems) hold_names_a_place(each, file.path(), lines);
  for (const found_option& each : layer.found) {
    hold_names_a_place(each.origin, file.path(), lines);
    const bool is_known =
        std::ranges::any_of(known_options(), [&](const known_option& one) { return one.name == each.name; });
    hold(is_known, "an option that is none: ", each.name);
  }
  if (!layer.problems.empty()) return;
  if (can_be_printed(layer.found)) {
    const memory_file again(printed(layer.found));
    const cli::option_layer read = cli::read_config(again.path(), known_options());
    hold(read.problems.empty() && values_of(read.found) == values_of(layer.found),
         "options that are others when they are printed and read again:\n", again.text());
  }
  hold_is_taken(file.path(), layer.found);
}

const bool configuration_is_known = registered("configuration", configuration);

}  // namespace
}  // namespace muster::fuzz
