// SPDX-License-Identifier: MIT
//
// What the user asked for: the command line as values, checked as far as it can be without loading anything.
// Made once, on the main thread, then constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/options.hpp>

#include "cli/halt.hpp"
#include "cli/source.hpp"

namespace muster::cli {

/// The exit codes of the command; docs/guide/command.md says what they mean.
namespace exit_code {
inline constexpr int done = 0;
inline constexpr int some_failed = 1;
inline constexpr int usage = 2;
inline constexpr int no_workers = 3;
inline constexpr int interrupted = 130;
}  // namespace exit_code

/// Where the inputs of the calls come from; the last four are not words of the command line.
enum class input_from : std::uint8_t { nothing, words, json_lines, lines, zeros, files };

/// What is called, as the command line shows it: by the ending of the module's name.
enum class callee_kind : std::uint8_t { module, node, python, command };

struct run_command {
  std::string module;  // empty: a command is run
  std::string function;
  std::vector<std::string> command;         // its words, with places for inputs
  std::size_t keep = std::size_t{1} << 20;  // bytes of each of its outputs
  input_from from = input_from::nothing;
  std::vector<word_group> groups;  // of words: at least one
  std::vector<std::string> directories;
  std::vector<nlohmann::json> with;  // fixed arguments, after those of each call
  process_options pool{};            // close.patience: how long what runs may go on after Ctrl-C
  task_options call{};               // of each call
  std::optional<halt_rule> halt{};
  std::string results_path;  // empty: standard output
  std::string events_path;   // empty: nowhere
  std::string job_log_path;  // empty: none
  bool resume = false;
  bool failed_again = false;  // when it resumes
  bool raw = false;
  bool tag = false;
  bool unordered = false;
  bool dry_run = false;
  bool quiet = false;
  bool json_summary = false;

  [[nodiscard]] callee_kind kind() const noexcept;
  /// What is called, for people.
  [[nodiscard]] std::string title() const;
  [[nodiscard]] bool reads_standard_input() const noexcept {
    return from == input_from::json_lines || from == input_from::lines || from == input_from::zeros;
  }
};

struct tune_command {
  run_command calls;  // its number of workers is ours to choose
  int min = 1;
  int max = 32;
  std::vector<int> at_once{};  // empty: the one that the options of the pool say
  double seconds = 1;          // of one measurement
  int rounds = 3;
  std::string svg_path{};  // empty: no picture
  bool json = false;
  bool quiet = false;
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

struct config_command {
  std::string file;  // empty: the usual one
  bool show_origin = false;
};

struct completion_command {
  std::string shell;
};

/// Nothing is left to do: the command line was wrong, or asked for help, and was answered.
struct answered {
  int exit_code;
};

using command_asked = std::variant<answered, run_command, tune_command, list_command, doctor_command,
                                   options_command, config_command, completion_command>;

command_asked read_arguments(int argc, char** argv);

}  // namespace muster::cli
