// SPDX-License-Identifier: MIT
// Options as text, a setting on each line: for the options of a pool of processes, of threads, and of a task.
#include <algorithm>
#include <string>
#include <vector>

#include <muster/error.hpp>
#include <muster/option_text.hpp>

#include "fuzz/target.hpp"
#include "options/text.hpp"
#include "options/walk.hpp"
#include "pool/check_options.hpp"

namespace muster::fuzz {
namespace {

// Everything that can be set by text, as the settings that set it.
template <class Options>
std::vector<std::string> settings_of(const Options& all) {
  std::vector<std::string> settings, absent;
  auto see = [&](const std::string& path, auto line, const auto& value) {
    using described_line = decltype(line);
    using member = std::remove_cvref_t<decltype(value)>;
    const auto is_above = [&](const std::string& group) { return path.starts_with(group); };
    if (path.contains('[') || std::ranges::any_of(absent, is_above)) return;
    if constexpr (options::is_optional<member>) {
      if (!value) {
        settings.push_back(path + "=none");
        absent.push_back(path + '.');
      } else if constexpr (options::has_text<typename member::value_type>) {
        settings.push_back(path + '=' + options::show(*value, described_line::range));
      }
    } else if constexpr (options::has_text<member>) {
      settings.push_back(path + '=' + options::show(value, described_line::range));
    }
  };
  options::each_path({}, all, see);
  return settings;
}

// Each problem is told with its setting, all of them at once.
void hold_names_settings(std::string_view problems, const std::vector<std::string>& settings) {
  std::size_t lines = 0;
  for (; !problems.empty(); ++lines) {
    const std::string_view line = take_line(problems);
    const auto begins = [&](const std::string& each) { return line.starts_with(each + ": "); };
    hold(std::ranges::any_of(settings, begins), "a problem of no setting: ", line);
  }
  hold(lines > 0 && lines <= settings.size(), "refused without a reason");
}

template <class Options>
void hold_is_set_or_refused(const std::vector<std::string>& settings) {
  Options all;
  const auto before = settings_of(all);
  try {
    set_options(all, settings);
  } catch (const invalid_options& problem) {
    hold_names_settings(problem.what(), settings);
    return hold(settings_of(all) == before, "refused, and something is set");
  }
  const auto after = settings_of(all);
  Options again;
  set_options(again, after);
  hold(settings_of(again) == after, "what was set is another when it is printed and read again");
  if constexpr (!std::same_as<Options, task_options>) {
    try {
      static_cast<void>(pool::check(all));
    } catch (const invalid_options& problem) {
      hold(*problem.what() != '\0', "refused without a reason");
    }
  }
}

void option_text(std::string_view input) {
  if (input.contains('\0')) return;  // no word of a command line has one, and an error's text ends there
  std::vector<std::string> settings;
  while (!input.empty() && settings.size() < 32) settings.emplace_back(take_line(input));
  hold_is_set_or_refused<process_options>(settings);
  hold_is_set_or_refused<thread_options>(settings);
  hold_is_set_or_refused<task_options>(settings);
}

const bool option_text_is_known = registered("option_text", option_text);

}  // namespace
}  // namespace muster::fuzz
