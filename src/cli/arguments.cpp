// SPDX-License-Identifier: MIT
#include "cli/arguments.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/version.hpp>

#include "cli/run_arguments.hpp"
#include "cli/tune_arguments.hpp"

namespace muster::cli {
namespace {

constexpr const char* top_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg            one call for each file
  muster run --jsonl ./libphotos.so:shrink < calls.jsonl   one call for each line
  muster run -- gzip -9 {} ::: *.log                       a command for each input
  muster tune ./libphotos.so:shrink photos/*.jpg           how many workers are enough
  muster list ./libphotos.so                               what the module exports
  muster doctor                                            what this machine allows
  muster options queue                                     the options of pools
  muster config --show-origin                              which options are set, and where

Calls functions of C++ modules, or runs commands, in supervised worker processes.)";

/// CLI11 takes a value in brackets apart at its commas, and ours are JSON: the mark hides the bracket from
/// it.
constexpr char bracket_mark = '\x01';

std::vector<std::string> marked(std::span<char* const> given) {
  std::vector<std::string> words;
  for (const char* each : given) {
    words.emplace_back(each);
    const char first = words.back().empty() ? '\0' : words.back().front();
    if (first == '[' || first == bracket_mark) words.back().insert(0, 1, bracket_mark);
  }
  std::ranges::reverse(words);  // it takes them last first
  return words;
}

void unmark(std::string& word) {
  if (!word.empty() && word.front() == bracket_mark) word.erase(0, 1);
}

/// In the list of all commands, one line each.
class short_formatter : public CLI::Formatter {
public:
  std::string make_subcommand(const CLI::App* command) const override {
    static const std::map<std::string, const char*> does = {
        {"run", "Call a function, or run a command, once for each input"},
        {"tune", "Measure the same with more and more workers, and recommend a number"},
        {"list", "Print the functions that a module exports"},
        {"options", "Print the options of pools and tasks: range, default, what they do"},
        {"doctor", "Print what this machine allows, and what follows for workers"},
        {"config", "Print the options that a file and the environment set"},
        {"completion", "Print a script with which bash completes the command"},
    };
    return fmt::format("  {:<12}{}\n", command->get_name(), does.at(command->get_name()));
  }
};

bool makes_calls(std::span<char* const> given) {
  if (given.empty()) return false;
  const std::string_view command = given.front();
  return command == "run" || command == "tune";
}

bool begins_group(std::string_view word) { return word == ":::" || word == ":::+"; }

// Each goes to the next mark. The first word is one.
std::vector<word_group> groups_in(std::span<char* const> given) {
  std::vector<word_group> groups;
  for (const std::string_view each : given)
    if (begins_group(each))
      groups.push_back({.linked = each == ":::+"});
    else
      groups.back().words.emplace_back(each);
  return groups;
}

// What stands behind `--` and `:::` is taken as it is: what CLI11 is to read comes before.
std::span<char* const> without_tail(std::span<char* const> given, run_tail& tail) {
  if (!makes_calls(given)) return given;
  // From the mark on; it is left out of what is given.
  const auto take_from = [&given](const auto& is_mark) {
    const auto at = static_cast<std::size_t>(std::ranges::find_if(given, is_mark) - given.begin());
    const auto taken = given.subspan(at);
    given = given.first(at);
    return taken;
  };
  tail.groups = groups_in(take_from(begins_group));
  const auto words = take_from([](std::string_view each) { return each == "--"; });
  tail.has_words = !words.empty();
  if (tail.has_words) tail.words.assign(words.begin() + 1, words.end());
  return given;
}

// The file of --config, which is read before the rest.
std::string config_named(std::span<char* const> given) {
  constexpr std::string_view option = "--config";
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string_view word = given[i];
    if (word == option && i + 1 < given.size()) return given[i + 1];
    if (word.starts_with(option) && word.substr(option.size()).starts_with('='))
      return std::string(word.substr(option.size() + 1));
  }
  return {};
}

// The commands that make no calls, each with what was asked of it.
struct other_commands {
  explicit other_commands(CLI::App& app)
      : list_app(app.add_subcommand(
            "list",
            "Examples:\n  muster list ./libphotos.so\n\nPrints the functions that a module exports.")),
        doctor_app(app.add_subcommand(
            "doctor",
            "Examples:\n  muster doctor\n  muster doctor --json\n\nPrints what this machine "
            "allows, and by which means "
            "each promise to keep workers in hand is kept\nhere. Each line comes from a trial. "
            "The exit code is 1 where "
            "one cannot be kept.")),
        options_app(app.add_subcommand("options",
                                       "Examples:\n  muster options\n  muster options queue\n  "
                                       "muster options --markdown\n\nPrints the options of "
                                       "pools and tasks: kind, range, default, what they do.")),
        config_app(app.add_subcommand(
            "config",
            "Examples:\n  muster config\n  muster config --show-origin\n\nPrints the options "
            "with which `muster run` begins: those that a file or the environment sets, or\n"
            "with --show-origin all of them, each with where it comes from.")),
        completion_app(
            app.add_subcommand("completion",
                               "Examples:\n  muster completion bash > "
                               "~/.local/share/bash-completion/completions/muster\n\nPrints a script with "
                               "which bash completes the command.")) {
    list_app->add_option("module", list.module, "A module: ./libphotos.so")
        ->option_text("MODULE")
        ->required();
    doctor_app->add_flag("--json", doctor.json, "One JSON object");
    options_app->add_option("part", options.part, "Only options whose name has this in it")
        ->option_text("[PART]");
    options_app->add_flag("--markdown", options.markdown, "The reference page")->excludes("part");
    options_app->add_flag("--json", options.json, "One JSON array");
    config_app->add_flag("--show-origin", config.show_origin, "All options, and where each comes from");
    config_app->add_option("--config", config.file, "This file, not the one of MUSTER_CONFIG")
        ->option_text("FILE");
    completion_app->add_option("shell", completion.shell, "bash")
        ->option_text("SHELL")
        ->required()
        ->check(CLI::IsMember({"bash"}));
  }

  [[nodiscard]] command_asked asked() {
    unmark(list.module);
    if (list_app->parsed()) return list;
    if (doctor_app->parsed()) return doctor;
    if (options_app->parsed()) return options;
    if (config_app->parsed()) return config;
    return completion;
  }
  /// The name of the command and a space, where it is one of these.
  [[nodiscard]] std::string name() const {
    for (const CLI::App* each : {list_app, doctor_app, options_app, config_app, completion_app})
      if (each->parsed()) return each->get_name() + ' ';
    return {};
  }

  CLI::App *list_app, *doctor_app, *options_app, *config_app, *completion_app;
  list_command list{};
  doctor_command doctor{};
  options_command options{};
  config_command config{};
  completion_command completion{};
};

// CLI11 would say no more than that something is missing, or too much.
void require_command(const CLI::App& app, std::span<char* const> given) {
  const std::string named = given.empty() ? "" : given.front();
  if (named.starts_with('-')) return;
  std::string all;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (each->get_name() == named) return;
    all += (all.empty() ? "" : ", ") + each->get_name();
  }
  throw CLI::ValidationError(
      (given.empty() ? "a command is missing" : fmt::format("there is no command '{}'", named)) +
      "; there are " + all);
}

// What may be repeated, as it was written.
void take_lists(const CLI::App& app, run_command& calls, run_texts& given) {
  unmark(given.target);
  given.words = app.get_option("words")->results();
  calls.directories = app.get_option("--files")->results();
  given.with = app.get_option("--with")->results();
  given.set = app.get_option("--set")->results();
  for (auto* each : {&given.words, &calls.directories, &given.with}) std::ranges::for_each(*each, unmark);
}

}  // namespace

command_asked read_arguments(int argc, char** argv) {
  run_tail tail;
  const std::span<char* const> all(argv, static_cast<std::size_t>(argc));
  const auto head = without_tail(all.subspan(std::min<std::size_t>(1, all.size())), tail);
  const bool tunes = makes_calls(head) && std::string_view(head.front()) == "tune";

  run_command run;
  tune_command tune;
  run_command& calls = tunes ? tune.calls : run;
  outer_options outer;
  if (makes_calls(head)) outer = read_outer(config_named(head), calls);
  CLI::App app(top_help, "muster");
  app.set_version_flag("--version", fmt::format("muster {}", version()));
  app.formatter(std::make_shared<short_formatter>());
  app.require_subcommand(1);
  run_texts given;
  CLI::App* const run_app = app.add_subcommand("run");
  describe_run(*run_app, run, given);
  CLI::App* const tune_app = app.add_subcommand("tune");
  run_texts tune_given;
  describe_tune(*tune_app, tune, tune_given);
  other_commands others(app);
  try {
    require_command(app, head);
    app.parse(marked(head));
    if (!run_app->parsed() && !tune_app->parsed()) return others.asked();
    take_lists(tunes ? *tune_app : *run_app, calls, tunes ? tune_given : given);
    for (std::string* each : {&run.results_path, &run.events_path, &run.job_log_path, &tune.svg_path})
      unmark(*each);
    const std::string wrong = tunes ? complete_tune(std::move(outer), tune_given, std::move(tail), tune)
                                    : complete_run(std::move(outer), given, std::move(tail), run);
    if (!wrong.empty()) throw CLI::ValidationError(wrong);
    if (tunes) return tune;
    return run;
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return answered{app.exit(problem, std::cout, std::cerr)};
    const bool is_unknown = dynamic_cast<const CLI::ExtrasError*>(&problem) != nullptr && makes_calls(head);
    fmt::print(stderr, "muster: {}{}\nmuster: `muster {}--help` shows examples and all options\n",
               problem.what(),
               is_unknown ? "; a command goes after --, inputs that begin with a dash after :::" : "",
               run_app->parsed() ? "run " : (tune_app->parsed() ? "tune " : others.name()));
    return answered{exit_code::usage};
  }
}

}  // namespace muster::cli
