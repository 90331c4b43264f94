// SPDX-License-Identifier: MIT
#include "cli/arguments.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/error.hpp>
#include <muster/option_text.hpp>
#include <muster/version.hpp>

namespace muster::cli {
namespace {

constexpr const char* top_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg            one call for each file
  muster run --jsonl ./libphotos.so:shrink < calls.jsonl   one call for each line
  muster list ./libphotos.so                               what the module exports
  muster doctor                                            what this machine allows
  muster options queue                                     the options of pools

Calls functions of C++ modules in supervised worker processes.)";

constexpr const char* run_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg
  muster run --with '"out"' --with 200 ./libphotos.so:thumbnail *.jpg
  muster run --workers 4 --timeout 10s --retries 1 --memory 512MiB ./libphotos.so:shrink *.jpg
  muster run --set limits.nice=5 --set breaker.failures=3 ./libphotos.so:shrink *.jpg
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
    const char* const does = name == "run"    ? "Call a function of a module once for each argument or line"
                             : name == "list" ? "Print the functions that a module exports"
                             : name == "options"
                                 ? "Print the options of pools and tasks: range, default, what they do"
                                 : "Print what this machine allows, and what follows for workers";
    return fmt::format("  {:<10}{}\n", name, does);
  }
};

// The options of the library that have a short form here, and what was given for them.
struct texts {
  std::string target;
  std::string workers;
  std::string timeout;
  std::string grace;
  std::string drain;
  std::string memory;
  std::string strategy;
  std::optional<int> retries{};
  std::vector<std::string> set;
  std::vector<std::string> with;
};

// What is wrong with the options, a line each.
class complaints {
public:
  // Each line of `what` begins with the setting; `shown` is how the user wrote that.
  void add(const std::string& shown, std::string_view setting, std::string_view what) {
    text_ += fmt::format("{}{}{}", text_.empty() ? "" : "\nmuster: ", shown,
                         what.starts_with(setting) ? what.substr(setting.size()) : what);
  }
  void throw_if_any() const {
    if (!text_.empty()) throw CLI::ValidationError(text_);
  }

private:
  std::string text_;
};

template <class Options>
void set(complaints& bad, const std::string& shown, Options& options, const std::string& setting) {
  try {
    set_options(options, std::vector{setting});
  } catch (const invalid_options& problem) {
    bad.add(shown, setting, problem.what());
  }
}

// For --help: what the library says of its options.
const option_description& description_of(const char* path,
                                         option_description::owner of = option_description::owner::pool) {
  static const std::vector<option_description> all = describe_options();
  return *std::ranges::find_if(all, [&](const auto& each) { return each.of == of && each.path == path; });
}

std::string described(const option_description& option) {
  return fmt::format("{} ({}; {})", option.about, option.range, option.initial);
}
std::string described(const char* path) { return described(description_of(path)); }

void split_target(const std::string& target, run_command& into) {
  const std::size_t colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == target.size())
    throw CLI::ValidationError(
        "MODULE:FUNCTION",
        fmt::format("'{}' is not a module and a function, as in ./libphotos.so:shrink", target));
  into.module = target.substr(0, colon);
  into.function = target.substr(colon + 1);
}

// What the command itself chooses, where nobody else does.
process_options usual_pool() {
  process_options options;
  options.workers = {.min = 1, .max = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))};
  options.queue.capacity = std::nullopt;  // what is under way is bounded here, and submit must not block
  options.env.pass = {"*"};               // a module sees what the command was given
  options.name = "run";
  return options;
}

void set_workers(complaints& bad, const std::string& text, process_options& pool) {
  const std::size_t colon = text.find(':');
  const std::string least = text.substr(0, colon),
                    most = colon == std::string::npos ? least : text.substr(colon + 1);
  const std::string shown = fmt::format("--workers {}: write N, or MIN:MAX as in 1:8; ", text);
  if (least == "none" || most == "none" || least.empty() || most.empty())
    return bad.add(shown, {}, "both are numbers");
  try {
    set_options(pool, std::vector{"workers.min=" + least, "workers.max=" + most});
  } catch (const invalid_options& problem) {
    bad.add(shown, {}, problem.what());
  }
}

void set_short_forms(complaints& bad, const texts& given, run_command& into) {
  if (!given.workers.empty()) set_workers(bad, given.workers, into.pool);
  const auto take = [&](const char* option, const std::string& text, auto& options, const std::string& path) {
    if (!text.empty()) set(bad, fmt::format("{} {}", option, text), options, path + '=' + text);
  };
  take("--timeout", given.timeout, into.call, "run_timeout");
  take("--grace", given.grace, into.pool, "grace");
  take("--drain", given.drain, into.pool, "close.patience");
  take("--memory", given.memory, into.pool, "limits.memory");
  take("--strategy", given.strategy, into.pool, "strategy");
  if (given.retries)
    set(bad, fmt::format("--retries {}: attempts are one more", *given.retries), into.pool,
        fmt::format("retry.attempts={}", std::int64_t{*given.retries} + 1));
}

void set_long_forms(complaints& bad, const texts& given, process_options& pool) {
  for (const std::string& setting : given.set) {
    const std::string shown = "--set " + setting;
    if (setting.starts_with("start="))
      bad.add(shown, {}, ": the command starts its pool itself; leave it out");
    else
      set(bad, shown, pool, setting);
  }
  const auto& queue = pool.queue;
  if (queue.when_full == when_full::wait && (queue.capacity || queue.bytes || queue.unsettled))
    bad.add("--set queue", {},
            ": the command cannot wait for room in it, as it has more to do; add --set "
            "queue.when_full=reject or drop_newest, and calls that find no room fail");
  if (pool.isolation == isolation::none && pool.env.pass == usual_pool().env.pass)
    pool.env = environment_options{.set = pool.env.set};  // it passes everything on by itself
}

void read_texts(const texts& given, run_command& into) {
  split_target(given.target, into);
  into.pool = usual_pool();
  complaints bad;
  set_short_forms(bad, given, into);
  set_long_forms(bad, given, into.pool);
  for (const std::string& text : given.with) {
    nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
    if (value.is_discarded())
      bad.add("--with: ", {},
              fmt::format("'{0}' is not JSON; a string needs its quotes, as in --with '\"{0}\"'", text));
    into.with.push_back(std::move(value));
  }
  if (into.json_lines && !into.words.empty())
    bad.add("--jsonl: ", {}, "the calls come from standard input; leave the ARGs out");
  bad.throw_if_any();
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
  app.add_option("--workers", given.workers,
                 fmt::format("How many worker processes, N or MIN:MAX ({}; 1 to the number of CPUs)",
                             description_of("workers.max").range))
      ->option_text("N|MIN:MAX");
  app.add_option("--timeout", given.timeout,
                 described(description_of("run_timeout", option_description::owner::task)))
      ->option_text("TIME");
  app.add_option("--grace", given.grace, described("grace"))->option_text("TIME");
  app.add_option("--retries", given.retries, "One less than retry.attempts: " + described("retry.attempts"))
      ->option_text("N");
  app.add_option("--memory", given.memory, described("limits.memory"))->option_text("SIZE");
  app.add_option("--strategy", given.strategy, described("strategy"))->option_text("NAME");
  app.add_option("--set", given.set,
                 "Any other option of the pool, as in queue.when_full=reject; may be repeated. `muster "
                 "options` lists them")
      ->option_text("OPTION=VALUE")
      ->allow_extra_args(false);
  app.add_option("--results", run.results_path, "Write results there, not to standard output")
      ->option_text("FILE");
  app.add_option("--events", run.events_path, "Write what happens to workers and calls there, as JSON lines")
      ->option_text("FILE");
  app.add_flag("--unordered", run.unordered, "Write results as they come, not in the order of the input");
  app.add_option("--drain", given.drain, "After Ctrl-C. " + described("close.patience"))->option_text("TIME");
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
  options_command asked;
  CLI::App* const options_app = app.add_subcommand("options",
                                                   "Examples:\n  muster options\n  muster options queue\n  "
                                                   "muster options --markdown\n\nPrints the options of "
                                                   "pools and tasks: kind, range, default, what they do.");
  options_app->add_option("part", asked.part, "Only options whose name has this in it")
      ->option_text("[PART]");
  options_app->add_flag("--markdown", asked.markdown, "The reference page")->excludes("part");
  options_app->add_flag("--json", asked.json, "One JSON array");
  try {
    app.parse(marked(argc, argv));
    for (std::string* each : {&list.module, &given.target, &run.results_path, &run.events_path})
      unmark(*each);
    if (list_app->parsed()) return list;
    if (doctor_app->parsed()) return doctor;
    if (options_app->parsed()) return asked;
    run.words = run_app->get_option("words")->results();
    given.with = run_app->get_option("--with")->results();
    given.set = run_app->get_option("--set")->results();
    std::ranges::for_each(run.words, unmark);
    std::ranges::for_each(given.with, unmark);
    read_texts(given, run);
    return run;
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return answered{app.exit(problem, std::cout, std::cerr)};
    const char* const more = run_app->parsed()       ? "run "
                             : list_app->parsed()    ? "list "
                             : doctor_app->parsed()  ? "doctor "
                             : options_app->parsed() ? "options "
                                                     : "";
    fmt::print(stderr, "muster: {}\nmuster: `muster {}--help` shows examples and all options\n",
               problem.what(), more);
    return answered{exit_code::usage};
  }
}

}  // namespace muster::cli
