// SPDX-License-Identifier: MIT
// The beginning of a run: workers, the module, its function.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "cli/run.hpp"
#include "cli/runner.hpp"

namespace muster::cli {
namespace {

// Workers that fail to start so often in a row, before the first was ready, will not start.
constexpr int most_start_failures = 3;

std::string functions_of(const std::vector<detail::export_text>& exports) {
  std::string list;
  for (const auto& each : exports) list += fmt::format("\n  {}{}", each.name, each.signature);
  return list.empty() ? " it exports none" : " it exports:" + list;
}

/// Why the calls of this command line are not calls of the function; empty: they are.
std::string misfit(const run_command& asked, const call_shape& shape) {
  if (asked.from == input_from::json_lines) return {};
  const std::size_t given = asked.from == input_from::nothing ? 0 : 1;
  if (shape.own_parameters() == given) return {};
  const std::string title = shape.signature().title();
  if (given == 0)
    return fmt::format("{} needs arguments: give one for each call, or --jsonl and lines", title);
  return fmt::format(
      "{} takes {} arguments, an input is 1, and --with gives {}; give the others by --with, or use --jsonl",
      title, shape.signature().parameters.size(), asked.with.size());
}

}  // namespace

process_options runner::pool_options() {
  process_options options = asked_.pool;
  options.callbacks = [this](std::function<void()> work) { queue_.post(std::move(work)); };
  options.start = false;  // so that no event is missed
  return options;
}

void runner::listen() {
  const auto handler = [this](const event& e) { on_event(e); };
  if (events_) {
    pool_->on(handler);
    return;
  }
  for (const auto kind : {event_kind::started, event_kind::worker_ready, event_kind::start_failed,
                          event_kind::degraded, event_kind::recovered})
    pool_->on(kind, handler);
}

bool runner::hopeless() const { return signals_.count() > 0 || start_failures_ >= most_start_failures; }

// A worker loads the module, never this process.
void runner::list_module(listing& into) {
  try {
    path_ = find_module(asked_.module);
    auto listed = pool_->submit(&detail::list_exports, path_);
    static_cast<void>(listed.then([&into](future<std::vector<detail::export_text>> done) {
      try {
        into.exports = done.get();
      } catch (...) {
        into.problem = describe(std::current_exception()).message;
      }
    }));
  } catch (const error& refused) {
    into.problem = refused.what();
  }
}

std::optional<int> runner::find_function() {
  listing found;
  turn_until([&] { return started_ || hopeless(); });
  if (!asked_.command.empty() && !hopeless()) {
    shape_ = call_shape(muster::command{asked_.command});
    return std::nullopt;
  }
  if (!hopeless()) {
    list_module(found);
    turn_until([&] { return found.exports || found.problem || hopeless(); });
  }
  std::optional<int> code;
  if (found.exports) {
    code = choose_function(*found.exports);
  } else if (signals_.count() > 0) {
    code = exit_code::interrupted;
  } else if (found.problem) {
    progress_.say(*found.problem);
    code = exit_code::usage;
  } else {
    progress_.say("no worker could be started: " + last_start_failure_);
    code = exit_code::no_workers;
  }
  if (!code) return code;
  pool_->terminate();
  helpers_.clear();
  queue_.run();  // a listing that was not awaited still writes to `found`
  return code;
}

std::optional<int> runner::choose_function(const std::vector<detail::export_text>& exports) {
  const auto found = std::ranges::find(exports, asked_.function, &detail::export_text::name);
  if (found == exports.end()) {
    progress_.say(
        fmt::format("module '{}' has no function '{}';{}", path_, asked_.function, functions_of(exports)));
    return exit_code::usage;
  }
  auto signature = parse_signature(found->name, found->signature);
  auto shape =
      signature ? call_shape::make(*std::move(signature), asked_.with) : std::unexpected(signature.error());
  const std::string why = shape ? misfit(asked_, *shape) : shape.error();
  if (!why.empty()) {
    progress_.say(why);
    return exit_code::usage;
  }
  shape_ = *std::move(shape);
  return std::nullopt;
}

void runner::make_pool() {
  if (asked_.command.empty()) {
    pool_ = &functions_.emplace(pool_options());
    return;
  }
  // The words come filled in with each call.
  const muster::command program{{asked_.command.front(), "{}"}, asked_.keep, false};
  pool_ = &commands_.emplace(program, pool_options());
}

int runner::execute() {
  if (log_ && log_->torn() > 0)
    progress_.say(fmt::format(
        "the job log ended in a line that was not whole; {} bytes were cut, and its call runs again",
        log_->torn()));
  make_pool();
  listen();
  // It waits for the first workers, and for as long as they take; events tell us sooner.
  helpers_.emplace_back([this] {
    try {
      pool_->start();
    } catch (const error&) {  // the event told it
    }
  });
  if (const auto code = find_function()) return *code;
  input_.emplace(asked_, *shape_, STDIN_FILENO);
  if (asked_.reads_standard_input() && !asked_.quiet && ::isatty(STDIN_FILENO) == 1)
    progress_.say("inputs are read from the terminal; Ctrl-D ends them");
  if (signals_.count() > 0) input_->close();
  turn_until([this] { return input_->ended() && open_calls_ == 0; });
  return finish();
}

int run(const run_command& asked) {
  const auto refuse = [](const std::string& why, int code) {
    fmt::print(stderr, "muster: {}\n", why);
    return code;
  };
  if (asked.reads_standard_input() && (::fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return refuse("calls come from standard input, which is closed", exit_code::usage);
  try {
    run_files files;
    if (!asked.job_log_path.empty() && !asked.dry_run) {  // first: it may refuse, and then nothing is emptied
      auto log = job_log::open(asked.job_log_path, asked.title(), asked.resume);
      if (!log) return refuse(log.error(), exit_code::usage);
      files.log.emplace(*std::move(log));
    }
    auto results =
        asked.results_path.empty() ? line_file::standard_output() : line_file::create(asked.results_path);
    if (!results) return refuse(results.error(), exit_code::usage);
    files.results.emplace(*std::move(results));
    if (!asked.events_path.empty()) {
      auto made = line_file::create(asked.events_path);
      if (!made) return refuse(made.error(), exit_code::usage);
      files.events.emplace(*std::move(made));
    }
    return runner(asked, std::move(files)).execute();
  } catch (const invalid_options& problem) {
    return refuse(problem.what(), exit_code::usage);
  } catch (const std::exception& problem) {  // no memory, descriptors or processes for a pool
    return refuse(problem.what(), exit_code::no_workers);
  }
}

}  // namespace muster::cli
