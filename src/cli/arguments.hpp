// SPDX-License-Identifier: MIT
//
// What the user asked for: the command line as values, checked as far as it can be without loading anything.
// Made once, on the main thread, then constant.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/options.hpp>

namespace muster::cli {

/// The exit codes of the command; docs/guide/command.md says what they mean.
namespace exit_code {
inline constexpr int done = 0;
inline constexpr int some_failed = 1;
inline constexpr int usage = 2;
inline constexpr int no_workers = 3;
inline constexpr int interrupted = 130;
}  // namespace exit_code

struct run_command {
  std::string module;
  std::string function;
  std::vector<std::string> words;
  bool json_lines = false;
  std::vector<nlohmann::json> with;  // fixed arguments, after those of each call
  process_options pool{};            // close.patience: how long what runs may go on after Ctrl-C
  task_options call{};               // of each call
  std::string results_path;          // empty: standard output
  std::string events_path;           // empty: nowhere
  bool unordered = false;
  bool quiet = false;
  bool json_summary = false;
};

struct list_command {
  std::string module;
};

struct doctor_command {
  bool json = false;
};

struct options_command {
  std::string part;  // only options whose name has this in it
  bool markdown = false;
  bool json = false;
};

/// Nothing is left to do: the command line was wrong, or asked for help, and was answered.
struct answered {
  int exit_code;
};

using command = std::variant<answered, run_command, list_command, doctor_command, options_command>;

command read_arguments(int argc, char** argv);

}  // namespace muster::cli
