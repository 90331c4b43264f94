// SPDX-License-Identifier: MIT
//
// The options of `muster run`, from the command line, the environment and a file, and what they come to.
// docs/internals/jobs.md says in which order. Plain values and functions of the main thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/layers.hpp"

namespace CLI {
class App;
}

namespace muster::cli {

/// What was given for options that are not simply kept, as text.
struct run_texts {
  std::string target;
  std::string workers;
  std::string timeout;
  std::string grace;
  std::string drain;
  std::string memory;
  std::string strategy;
  std::string rate;
  std::string retries;
  std::string halt;
  std::string keep;
  std::string config;
  bool json_lines = false;
  bool lines = false;
  bool zeros = false;
  std::vector<std::string> words;
  std::vector<std::string> set;
  std::vector<std::string> with;
};

/// Options that are another name of one of the library's.
struct short_form {
  const char* name;
  const char* path;
  std::string run_texts::* text;
  const char* value;
  const char* before = "";  // its description
  bool of_call = false;
};
inline constexpr short_form short_forms[] = {
    {"timeout", "run_timeout", &run_texts::timeout, "TIME", "", true},
    {"grace", "grace", &run_texts::grace, "TIME"},
    {"memory", "limits.memory", &run_texts::memory, "SIZE"},
    {"rate", "queue.rate.per_second", &run_texts::rate, "N", "Calls that begin in a second. "},
    {"strategy", "strategy", &run_texts::strategy, "NAME"},
    {"drain", "close.patience", &run_texts::drain, "TIME", "After Ctrl-C. "},
};

/// What stands behind the options: the words after `--` and after `:::`.
struct run_tail {
  bool has_words = false;  // a --
  std::vector<std::string> words;
  std::vector<word_group> groups;  // one for each ::: and :::+
};

/// What is wrong, a line each.
class complaints {
public:
  /// Each line of `what` may begin with the setting; `shown` is how the user wrote that.
  void add(const std::string& shown, std::string_view setting, std::string_view what);
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
  std::string text_;
};

/// An option of the pool, or of each call, and who said so.
struct assignment {
  std::string path;  // "limits.memory"
  std::string value;
  std::string shown;   // as the user wrote it
  std::string origin;  // empty: the command line
  bool of_call = false;
};

/// A text that is read at the end, and how the user wrote it; empty: nowhere.
struct written_text {
  std::string value;
  std::string shown;
};

/// The options of `muster run` as the file and the environment have them.
struct outer_options {
  std::string config;  // the file; empty: none
  std::vector<found_option> found;
  std::vector<assignment> assignments;
  written_text halt, keep;
  complaints bad;
};

/// Each option once: for the command line, for the file and the environment, for --help and completion.
void describe_run(CLI::App& app, run_command& run, run_texts& given);
/// The parts of it that other commands have too: what is called and for which inputs, options of the pool by
/// their short names, all other options of it, and where the file is.
void describe_inputs(CLI::App& app, run_command& run, run_texts& given);
void describe_short_forms(CLI::App& app, run_texts& given);
void describe_settings(CLI::App& app, run_texts& given);
void describe_config(CLI::App& app, run_texts& given);
/// Those that may be set outside the command line, each with its default.
struct option_default {
  known_option option;
  std::string initial;
};
std::vector<option_default> configurable_options();

/// Reads the file and the environment; what is simply kept goes to `run`.
outer_options read_outer(const std::string& config, run_command& run);
/// Adds what the command line gave, and makes `run` whole. Returns what is wrong, empty: nothing.
std::string complete_run(outer_options outer, const run_texts& given, run_tail tail, run_command& run);

/// What is wrong with the file and the environment alone; empty: nothing.
std::string check_outer(outer_options outer, run_command& run);

}  // namespace muster::cli
