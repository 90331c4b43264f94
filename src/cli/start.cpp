// SPDX-License-Identifier: MIT
// The beginning of a run: workers, the module, its function.
#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "cli/refuse.hpp"
#include "cli/run.hpp"
#include "cli/runner.hpp"

namespace muster::cli {

process_options runner::pool_options() {
  process_options options = asked_.pool;
  options.callbacks = [this](std::function<void()> work) { queue_.post(std::move(work)); };
  options.start = false;  // so that no event is missed
  return options;
}

void runner::listen() {
  const auto handler = [this](const event& e) { on_event(e); };
  if (events_) {
    calls_->pool().on(handler);
    return;
  }
  for (const auto kind : {event_kind::started, event_kind::worker_ready, event_kind::start_failed,
                          event_kind::degraded, event_kind::recovered})
    calls_->pool().on(kind, handler);
}

bool runner::hopeless() const { return signals_.count() > 0 || start_failures_ >= most_start_failures; }

std::optional<int> runner::find_function() {
  std::optional<std::expected<callee, std::string>> found;
  turn_until([&] { return started_ || hopeless(); });
  if (!hopeless()) {
    calls_->find([&found](std::expected<callee, std::string> got) { found = std::move(got); });
    turn_until([&] { return found || hopeless(); });
  }
  if (found && *found) {
    callee_ = **std::move(found);
    return std::nullopt;
  }
  int code = exit_code::interrupted;
  if (signals_.count() == 0 && found) {
    progress_.say(found->error());
    code = exit_code::usage;
  } else if (signals_.count() == 0) {
    progress_.say("no worker could be started: " + last_start_failure_);
    code = exit_code::no_workers;
  }
  calls_->pool().terminate();
  helpers_.clear();
  queue_.run();  // a search that was not awaited still writes to `found`
  return code;
}

int runner::execute() {
  if (log_ && log_->torn() > 0)
    progress_.say(fmt::format(
        "the job log ended in a line that was not whole; {} bytes were cut, and its call runs again",
        log_->torn()));
  calls_.emplace(asked_, pool_options());
  listen();
  // It waits for the first workers, and for as long as they take; events tell us sooner.
  helpers_.emplace_back([this] {
    try {
      calls_->pool().start();
    } catch (const error&) {  // the event told it
    }
  });
  if (const auto code = find_function()) return *code;
  input_.emplace(asked_, callee_->shape, STDIN_FILENO);
  if (asked_.reads_standard_input() && !asked_.quiet && ::isatty(STDIN_FILENO) == 1)
    progress_.say("inputs are read from the terminal; Ctrl-D ends them");
  if (signals_.count() > 0) input_->close();
  turn_until([this] { return input_->ended() && open_calls_ == 0; });
  return finish();
}

int run(const run_command& asked) {
  if (asked.reads_standard_input() && (::fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return refuse("calls come from standard input, which is closed", exit_code::usage);
  return run_or_refuse([&] {
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
  });
}

}  // namespace muster::cli
