// SPDX-License-Identifier: MIT
#include "cli/arguments.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/version.hpp>

#include "cli/units.hpp"

namespace muster::cli {
namespace {

constexpr const char* top_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg            one call for each file
  muster run --jsonl ./libphotos.so:shrink < calls.jsonl   one call for each line
  muster list ./libphotos.so                               what the module exports
  muster doctor                                            what this machine allows

Calls functions of C++ modules in supervised worker processes.)";

constexpr const char* run_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg
  muster run --with '"out"' --with 200 ./libphotos.so:thumbnail *.jpg
  muster run --workers 4 --timeout 10s --retries 1 --memory 512MiB ./libphotos.so:shrink *.jpg
  muster run --jsonl --results done.jsonl ./libphotos.so:thumbnail < calls.jsonl

Calls FUNCTION once for each ARG, or with --jsonl once for each line of standard input, in worker processes. A line is an
array of arguments, or {"args": [...], "id": "..."}, or any other JSON value as the single argument. Results are written
as JSON lines in the order of the input. An ARG that begins with a dash goes after `--`.)";

constexpr const char* exit_codes = R"(Exit codes:
  0    every call succeeded
  1    some calls failed, or results could not be written
  2    the command line is wrong, or the module or function cannot be used
  3    no worker could be started
  130  stopped by Ctrl-C or SIGTERM (once: what runs finishes; twice: at once))";

/// CLI11 takes a value in brackets apart at its commas, and ours are JSON: the mark hides the bracket from
/// it.
constexpr char bracket_mark = '\x01';

std::vector<std::string> marked(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {  // it takes them last first
    words.emplace_back(argv[i]);
    const char first = words.back().empty() ? '\0' : words.back().front();
    if (first == '[' || first == bracket_mark) words.back().insert(0, 1, bracket_mark);
  }
  return words;
}

void unmark(std::string& word) {
  if (!word.empty() && word.front() == bracket_mark) word.erase(0, 1);
}

/// In the list of all commands, one line each.
class short_formatter : public CLI::Formatter {
public:
  std::string make_subcommand(const CLI::App* command) const override {
    const std::string name = command->get_name();
    const char* const does = name == "run" ? "Call a function of a module once for each argument or line"
                             : name == "list"
                                 ? "Print the functions that a module exports"
                                 : "Print what this machine allows, and what follows for workers";
    return fmt::format("  {:<10}{}\n", name, does);
  }
};

struct texts {
  std::string target;
  std::string workers;
  std::string timeout;
  std::string grace = "100ms";
  std::string drain = "30s";
  std::string memory;
  std::string strategy = "pull";
  std::vector<std::string> with;
};

template <class T>
T accept(const char* option, std::expected<T, std::string> parsed) {
  if (!parsed) throw CLI::ValidationError(option, parsed.error());
  return *std::move(parsed);
}

worker_options default_workers() {
  return {.min = 1, .max = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))};
}

void split_target(const std::string& target, run_command& into) {
  const std::size_t colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == target.size())
    throw CLI::ValidationError(
        "MODULE:FUNCTION",
        fmt::format("'{}' is not a module and a function, as in ./libphotos.so:shrink", target));
  into.module = target.substr(0, colon);
  into.function = target.substr(colon + 1);
}

void read_texts(const texts& given, run_command& into) {
  split_target(given.target, into);
  into.workers =
      given.workers.empty() ? default_workers() : accept("--workers", parse_workers(given.workers));
  if (!given.timeout.empty()) {
    into.timeout = accept("--timeout", parse_duration(given.timeout));
    if (*into.timeout <= duration::zero())
      throw CLI::ValidationError("--timeout", "no call ends in no time; write a time above 0, as in 5s");
  }
  into.grace = accept("--grace", parse_duration(given.grace));
  into.drain = accept("--drain", parse_duration(given.drain));
  if (!given.memory.empty()) {
    into.memory = accept("--memory", parse_size(given.memory));
    if (*into.memory < 16_MiB) throw CLI::ValidationError("--memory", "a worker needs at least 16MiB");
  }
  into.strategy = accept("--strategy", parse_strategy(given.strategy));
  for (const std::string& text : given.with) {
    nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
    if (value.is_discarded())
      throw CLI::ValidationError(
          "--with",
          fmt::format("'{0}' is not JSON; a string needs its quotes, as in --with '\"{0}\"'", text));
    into.with.push_back(std::move(value));
  }
  if (into.json_lines && !into.words.empty())
    throw CLI::ValidationError("--jsonl", "the calls come from standard input; leave the ARGs out");
}

void describe_run(CLI::App& app, run_command& run, texts& given) {
  app.description(run_help);
  app.footer(exit_codes);
  app.add_option("target", given.target, "A module and one of its functions: ./libphotos.so:shrink")
      ->option_text("MODULE:FUNCTION")
      ->required();
  app.add_option("words", run.words, "One call each")->option_text("[ARG...]");
  app.add_flag("--jsonl", run.json_lines, "Read calls from standard input, one JSON value a line");
  app.add_option("--with", given.with, "A fixed argument for every call, after its own; may be repeated")
      ->option_text("JSON")
      ->allow_extra_args(false);
  app.add_option("--workers", given.workers, "How many worker processes: N or MIN:MAX (1:number of CPUs)")
      ->option_text("N|MIN:MAX");
  app.add_option("--timeout", given.timeout, "A call that runs longer fails, and its worker is replaced")
      ->option_text("TIME");
  app.add_option("--grace", given.grace, "How long a call that was told to stop may take (100ms)")
      ->option_text("TIME");
  app.add_option("--retries", run.retries, "Run a call so many times more when its worker dies (0)")
      ->option_text("N")
      ->check(CLI::Range(0, 999));
  app.add_option("--memory", given.memory, "The most that a worker may use: 512MiB, 2GiB, 500MB")
      ->option_text("SIZE");
  app.add_option(
         "--strategy", given.strategy,
         "Who gets the next call: pull (the default), fewest, fewest_served, round_robin, fill, random, "
         "two_choices")
      ->option_text("NAME");
  app.add_option("--results", run.results_path, "Write results there, not to standard output")
      ->option_text("FILE");
  app.add_option("--events", run.events_path, "Write what happens to workers and calls there, as JSON lines")
      ->option_text("FILE");
  app.add_flag("--unordered", run.unordered, "Write results as they come, not in the order of the input");
  app.add_option("--drain", given.drain, "After Ctrl-C: how long what runs may go on (30s)")
      ->option_text("TIME");
  app.add_flag("--quiet", run.quiet, "No progress, no summary");
  app.add_flag("--json", run.json_summary,
               "The summary as one JSON object on standard error, also with --quiet");
}

}  // namespace

command read_arguments(int argc, char** argv) {
  CLI::App app(top_help, "muster");
  app.set_version_flag("--version", fmt::format("muster {}", version()));
  app.formatter(std::make_shared<short_formatter>());
  app.require_subcommand(1);
  run_command run;
  texts given;
  CLI::App* const run_app = app.add_subcommand("run");
  describe_run(*run_app, run, given);
  list_command list;
  CLI::App* const list_app = app.add_subcommand(
      "list", "Examples:\n  muster list ./libphotos.so\n\nPrints the functions that a module exports.");
  list_app->add_option("module", list.module, "A module: ./libphotos.so")->option_text("MODULE")->required();
  doctor_command doctor;
  CLI::App* const doctor_app =
      app.add_subcommand("doctor",
                         "Examples:\n  muster doctor\n  muster doctor --json\n\nPrints what this machine "
                         "allows, and by which means "
                         "each promise to keep workers in hand is kept\nhere. Each line comes from a trial. "
                         "The exit code is 1 where "
                         "one cannot be kept.");
  doctor_app->add_flag("--json", doctor.json, "One JSON object");
  try {
    app.parse(marked(argc, argv));
    for (std::string* each : {&list.module, &given.target, &run.results_path, &run.events_path})
      unmark(*each);
    if (list_app->parsed()) return list;
    if (doctor_app->parsed()) return doctor;
    run.words = run_app->get_option("words")->results();
    given.with = run_app->get_option("--with")->results();
    std::ranges::for_each(run.words, unmark);
    std::ranges::for_each(given.with, unmark);
    read_texts(given, run);
    return run;
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return answered{app.exit(problem, std::cout, std::cerr)};
    const char* const more = run_app->parsed()      ? "run "
                             : list_app->parsed()   ? "list "
                             : doctor_app->parsed() ? "doctor "
                                                    : "";
    fmt::print(stderr, "muster: {}\nmuster: `muster {}--help` shows examples and all options\n",
               problem.what(), more);
    return answered{exit_code::usage};
  }
}

}  // namespace muster::cli
