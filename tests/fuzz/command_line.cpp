// SPDX-License-Identifier: MIT
// The command line of `muster`, a word on each line.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "fuzz/target.hpp"
#include "kit/said.hpp"

namespace muster::fuzz {
namespace {

using cli::run_command;

// Whoever runs this may have a file and variables of his own.
const bool is_alone = [] {
  ::setenv("MUSTER_CONFIG", "none", 1);
  return true;
}();

// What stands behind --joblog= and the like is taken as it is, whatever is in it.
void hold_is_taken(const std::vector<std::string>& words, const std::string& option, const std::string& got) {
  const auto begins = [&](const std::string& each) { return each.starts_with(option); };
  if (std::ranges::count_if(words, begins) != 1) return;
  const std::string& given = *std::ranges::find_if(words, begins);
  hold(given.substr(option.size()) == got, given, " was taken as ", got);
}

void hold_is_whole(const run_command& run, const std::vector<std::string>& words) {
  hold(run.command.empty() != (run.module.empty() || run.function.empty()), "nothing or two things to call");
  hold(!run.title().empty(), "a call without a name");
  hold(!run.halt || !run.halt->reason().empty(), "a rule without a reason");
  hold(!run.failed_again || run.resume, "calls to be run again of no run");
  hold(!run.resume || !run.job_log_path.empty(), "resumed from nothing");
  const auto is_mark = [](const std::string& each) { return each == ":::" || each == ":::+"; };
  const auto mark = std::ranges::find_if(words, is_mark);
  std::vector<std::string> behind, taken;
  std::ranges::remove_copy_if(mark, words.end(), std::back_inserter(behind), is_mark);
  for (const cli::word_group& each : run.groups) std::ranges::copy(each.words, std::back_inserter(taken));
  hold(taken.size() >= behind.size() && std::equal(behind.rbegin(), behind.rend(), taken.rbegin()),
       "an input behind ::: was changed");
  hold(!run.groups.empty() && cli::combinations(run.groups).has_value(), "inputs that cannot be counted");
  const std::vector<std::string> options(words.begin(), std::ranges::find(words.begin(), mark, "--"));
  hold_is_taken(options, "--joblog=", run.job_log_path);
  hold_is_taken(options, "--results=", run.results_path);
  hold_is_taken(options, "--events=", run.events_path);
}

void command_line(std::string_view input) {
  // It may name files to read: only such as there are none of.
  for (const char* each : {"/dev", "/proc", "/sys"})
    if (input.contains(each)) return;
  if (input.contains('\0')) return;
  std::vector<std::string> words = {"muster"};
  while (!input.empty() && words.size() < 64) words.emplace_back(take_line(input));
  std::vector<char*> given;
  for (std::string& each : words) given.push_back(each.data());
  test::said heard;
  const cli::command_asked asked = cli::read_arguments(static_cast<int>(given.size()), given.data());
  const auto* answer = std::get_if<cli::answered>(&asked);
  if (answer == nullptr) {
    hold(heard.errors().empty() && heard.output().empty(), "taken, and yet something was said");
    if (const auto* run = std::get_if<run_command>(&asked)) hold_is_whole(*run, words);
  } else if (answer->exit_code == cli::exit_code::done) {
    hold(!heard.output().empty() && heard.errors().empty(), "help that says nothing");
  } else {
    hold(answer->exit_code == cli::exit_code::usage && heard.errors().starts_with("muster: ") &&
             heard.errors().ends_with("--help` shows examples and all options\n"),
         "refused without a reason");
  }
}

const bool command_line_is_known = registered("command_line", command_line);

}  // namespace
}  // namespace muster::fuzz
