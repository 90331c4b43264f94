// SPDX-License-Identifier: MIT
#include "cli/tune_arguments.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace muster::cli {
namespace {

constexpr int most_workers = 4'096;
constexpr int most_at_once = 64;
constexpr int most_rounds = 99;
constexpr double least_seconds = 0.05;
constexpr double most_seconds = 3'600;

constexpr const char* tune_help = R"(Examples:
  muster tune ./libphotos.so:shrink photos/*.jpg           with 1, 2, 4 … 32 workers
  muster tune --max 128 --svg fetch.svg ./fetch.js:fetch ::: $(cat urls.txt)
  muster tune --at-once 1,8 --max 4 ./fetch.js:fetch ::: $(cat urls.txt)
  muster tune --max 8 --seconds 5 -- gzip -k -f -9 {} ::: *.log

Calls a FUNCTION of a module, or runs a COMMAND, with more and more workers, shows how many calls a second were done, how long
each took, and what the workers needed, and recommends a number of workers. What is called, inputs and options of the pool are
those of `muster run`. EACH INPUT IS CALLED MANY TIMES: take inputs and outputs that may be used again.)";

constexpr const char* tune_exit_codes = R"(Exit codes:
  0    a number of workers is recommended
  1    no call succeeded, or the results could not be written
  2    the command line is wrong, or the module or function cannot be used
  3    no worker could be started
  130  stopped by Ctrl-C or SIGTERM; what was measured until then is shown)";

template <class Number>
void check_range(const char* option, Number value, Number least, Number most, complaints& bad) {
  if (!(value >= least && value <= most))
    bad.add(fmt::format("{} {}", option, value), {}, fmt::format(": must be from {} to {}", least, most));
}

}  // namespace

void describe_tune(CLI::App& app, tune_command& tune, run_texts& given) {
  app.description(tune_help);
  app.footer(tune_exit_codes);
  describe_inputs(app, tune.calls, given);
  app.add_option("--min", tune.min, fmt::format("The fewest workers (1..{}; 1)", most_workers))
      ->option_text("N");
  app.add_option("--max", tune.max,
                 fmt::format("The most workers; between them each size is twice the one before (1..{}; 32)",
                             most_workers))
      ->option_text("N");
  app.add_option(
         "--at-once", tune.at_once,
         fmt::format("Also with so many calls at once in each worker (1..{}; what workers.at_once says)",
                     most_at_once))
      ->option_text("N,N...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option(
         "--seconds", tune.seconds,
         fmt::format("How long each size is measured in each round ({}..{}; 1)", least_seconds, most_seconds))
      ->option_text("N");
  app.add_option("--rounds", tune.rounds,
                 fmt::format("How often each size is measured; medians are shown (1..{}; 3)", most_rounds))
      ->option_text("N");
  app.add_option("--svg", tune.svg_path, "Draw the results there")->option_text("FILE");
  app.add_flag("--json", tune.json, "Results as JSON lines, the recommendation last");
  app.add_flag("--quiet", tune.quiet, "Say nothing while it measures");
  describe_short_forms(app, given);
  describe_settings(app, given);
  describe_config(app, given);
}

std::string complete_tune(outer_options outer, const run_texts& given, run_tail tail, tune_command& tune) {
  check_range("--min", tune.min, 1, most_workers, outer.bad);
  check_range("--max", tune.max, 1, most_workers, outer.bad);
  if (tune.min > tune.max)
    outer.bad.add(fmt::format("--min {}", tune.min), {},
                  fmt::format(": must not be above --max, which is {}", tune.max));
  for (const int each : tune.at_once) check_range("--at-once", each, 1, most_at_once, outer.bad);
  check_range("--seconds", tune.seconds, least_seconds, most_seconds, outer.bad);
  check_range("--rounds", tune.rounds, 1, most_rounds, outer.bad);
  std::string wrong = complete_run(std::move(outer), given, std::move(tail), tune.calls);
  if (tune.at_once.empty()) tune.at_once = {tune.calls.pool.workers.at_once};
  std::ranges::sort(tune.at_once);
  const auto same = std::ranges::unique(tune.at_once);
  tune.at_once.erase(same.begin(), same.end());
  return wrong;
}

}  // namespace muster::cli
