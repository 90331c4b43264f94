// SPDX-License-Identifier: MIT
// The options of `muster run`, each with its sentence.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/option_text.hpp>

#include "cli/run_arguments.hpp"

namespace muster::cli {
namespace {

constexpr const char* run_help = R"(Examples:
  muster run ./libphotos.so:shrink photos/*.jpg            one call of a function for each ARG
  muster run ./libphotos.so:shrink --files photos          one for each file below a directory
  muster run --jsonl --results done.jsonl ./libphotos.so:thumbnail < calls.jsonl
  muster run --raw -- gzip -9 {} ::: *.log                 a command, once for each input
  muster run -- convert {1} -resize {2} out/{1/.}-{2}.png ::: *.png ::: 100 200    each file with each size
  muster run ./libphotos.so:rename ::: a.jpg b.jpg :::+ cat.jpg dog.jpg    two arguments that go together
  find . -name '*.png' -print0 | muster run -0 -- optipng {}
  muster run --set workers.at_once=8 ./photos.js:shrink photos/*.jpg    a function of Node, 8 calls at once
  muster run --joblog jobs.log --resume --retries 1 --timeout 10s ./libphotos.so:shrink photos/*.jpg
  muster run --set limits.nice=5 --set breaker.failures=3 ./libphotos.so:shrink *.jpg

Calls a FUNCTION of a module, or runs a COMMAND, once for each input, in worker processes. Inputs are the ARGs, the words after
`:::`, the lines of standard input, or files. In a command {} becomes the input, {/} its file name, {.} the input without its
ending, {/.} both, {//} its directory, {#} its number. Several groups of inputs, each behind a `:::`, are combined each with
each, the first varying slowest; behind `:::+` stands one that goes along with the group before it. {2}, {2/} and so on are the
input of the second group; a function has them as its arguments. Results are written as JSON lines in the order of the input.)";

constexpr const char* exit_codes = R"(Exit codes:
  0    every call succeeded
  1    some calls failed, or results could not be written
  2    the command line is wrong, or the module or function cannot be used
  3    no worker could be started
  130  stopped by Ctrl-C or SIGTERM (once: what runs finishes; twice: at once))";

// For --help: what the library says of its options.
const option_description& description_of(std::string_view path, bool of_call = false) {
  static const std::vector<option_description> all = describe_options();
  const auto owner = of_call ? option_description::owner::task : option_description::owner::pool;
  return *std::ranges::find_if(all, [&](const auto& each) { return each.of == owner && each.path == path; });
}

std::string described(const option_description& option, const std::string& initial) {
  return fmt::format("{} ({}; {})", option.about, option.range, initial);
}

// Of one run alone: not in the file, not in the environment.
CLI::Option* here(CLI::Option* option) { return option->configurable(false); }

}  // namespace

void describe_inputs(CLI::App& app, run_command& run, run_texts& given) {
  here(app.add_option("target", given.target,
                      "A module and one of its functions: ./libphotos.so:shrink, ./photos.js:shrink"))
      ->option_text("MODULE:FUNCTION");
  here(app.add_option("words", given.words, "One call each"))->option_text("[ARG...]");
  here(app.add_flag("--jsonl", given.json_lines, "Read calls from standard input, one JSON value a line"));
  here(app.add_flag("--lines", given.lines, "Read inputs from standard input, one a line"));
  here(app.add_flag("-0,--null", given.zeros,
                    "The same with a zero byte after each, as find -print0 writes them"));
  here(app.add_option("--files", run.directories,
                      "Every regular file below this directory is an input; may be repeated"))
      ->option_text("DIRECTORY")
      ->allow_extra_args(false);
  here(
      app.add_option("--with", given.with, "A fixed argument for every call, after its own; may be repeated"))
      ->option_text("JSON")
      ->allow_extra_args(false);
}

void describe_short_forms(CLI::App& app, run_texts& given) {
  for (const short_form& each : short_forms) {
    const option_description& about = description_of(each.path, each.of_call);
    const bool is_rate = each.path == std::string_view("queue.rate.per_second");  // by itself there is none
    const std::string initial = is_rate ? "none" : about.initial;
    app.add_option(fmt::format("--{}", each.name), given.*each.text, each.before + described(about, initial))
        ->option_text(each.value)
        ->default_str(initial);
  }
}

void describe_settings(CLI::App& app, run_texts& given) {
  app.add_option("--set", given.set,
                 "Any other option of the pool, as in queue.when_full=reject; may be repeated. `muster "
                 "options` lists them")
      ->option_text("OPTION=VALUE")
      ->allow_extra_args(false);
  app.add_option("--keep", given.keep,
                 "The last so many bytes of each output of a command are kept (up to 64MiB; 1MiB)")
      ->option_text("SIZE")
      ->default_str("1MiB");
}

void describe_config(CLI::App& app, run_texts& given) {
  here(app.add_option("--config", given.config,
                      "Options from this file of TOML, not the one of MUSTER_CONFIG; none: no file"))
      ->option_text("FILE");
}

void describe_run(CLI::App& app, run_command& run, run_texts& given) {
  app.description(run_help);
  app.footer(exit_codes);
  describe_inputs(app, run, given);
  app.add_option(
         "-j,--workers", given.workers,
         fmt::format("How many worker processes: N, MIN:MAX, or auto, which is 1 to the number of CPUs ({})",
                     description_of("workers.max").range))
      ->option_text("N|MIN:MAX|auto")
      ->default_str("auto");
  app.add_option(
         "--retries", given.retries,
         "Run a call so often again when its worker dies, a command also when it fails: one less than "
         "retry.attempts (0..999; 0)")
      ->option_text("N")
      ->default_str("0");
  describe_short_forms(app, given);
  app.add_option(
         "--halt", given.halt,
         "End before the input does, as in soon,fail=3 (what runs may finish), now,fail=10%, soon,success=1")
      ->option_text("WHEN,WHAT=N");
  describe_settings(app, given);
  app.add_option("--results", run.results_path, "Write results there, not to standard output")
      ->option_text("FILE");
  app.add_option("--events", run.events_path, "Write what happens to workers and calls there, as JSON lines")
      ->option_text("FILE");
  app.add_option("--joblog", run.job_log_path, "Remember there which calls are done, with their results")
      ->option_text("FILE");
  here(app.add_flag("--resume", run.resume, "Go on with a job log: what is in it is not run again"));
  here(app.add_flag("--resume-failed", run.failed_again, "The same, but what failed is run again"));
  app.add_flag("--raw", run.raw, "Write what commands print, or values as text, one call after the other");
  app.add_flag("--tag", run.tag, "The same, with the input before each line");
  app.add_flag("--unordered,!--keep-order", run.unordered,
               "Write results as they come, not in the order of the input");
  here(app.add_flag("--dry-run", run.dry_run, "Write what would be called, and call nothing"));
  app.add_flag("--quiet", run.quiet, "No progress, no summary");
  app.add_flag("--json", run.json_summary,
               "The summary as one JSON object on standard error, also with --quiet");
  describe_config(app, given);
}

std::vector<option_default> configurable_options() {
  CLI::App app;
  run_command run;
  run_texts given;
  describe_run(app, run, given);
  std::vector<option_default> all;
  for (const CLI::Option* each : app.get_options()) {
    if (!each->get_configurable() || each->get_lnames().empty() || each->get_lnames().front() == "help")
      continue;
    const bool flag = each->get_items_expected_max() == 0;
    const std::string initial = each->get_default_str();
    all.push_back(
        {{each->get_lnames().front(), flag}, flag ? "false" : (initial.empty() ? "none" : initial)});
  }
  return all;
}

}  // namespace muster::cli
