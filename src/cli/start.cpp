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
  if (asked.json_lines) return {};
  const std::size_t given = asked.words.empty() ? 0 : 1;
  if (shape.own_parameters() == given) return {};
  const std::string title = shape.signature().title();
  if (given == 0)
    return fmt::format("{} needs arguments: give one for each call, or --jsonl and lines", title);
  return fmt::format(
      "{} takes {} arguments, an ARG is 1, and --with gives {}; give the others by --with, or use --jsonl",
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

int runner::execute() {
  pool_.emplace(pool_options());
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
  if (signals_.count() > 0) input_->close();
  turn_until([this] { return input_->ended() && open_calls_ == 0; });
  return finish();
}

int run(const run_command& asked) {
  const auto refuse = [](const std::string& why, int code) {
    fmt::print(stderr, "muster: {}\n", why);
    return code;
  };
  if (asked.json_lines && (::fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return refuse("--jsonl reads standard input, which is closed", exit_code::usage);
  try {
    auto results =
        asked.results_path.empty() ? line_file::standard_output() : line_file::create(asked.results_path);
    if (!results) return refuse(results.error(), exit_code::usage);
    std::optional<line_file> events;
    if (!asked.events_path.empty()) {
      auto made = line_file::create(asked.events_path);
      if (!made) return refuse(made.error(), exit_code::usage);
      events.emplace(*std::move(made));
    }
    return runner(asked, *std::move(results), std::move(events)).execute();
  } catch (const invalid_options& problem) {
    return refuse(problem.what(), exit_code::usage);
  } catch (const std::exception& problem) {  // no memory, descriptors or processes for a pool
    return refuse(problem.what(), exit_code::no_workers);
  }
}

}  // namespace muster::cli
