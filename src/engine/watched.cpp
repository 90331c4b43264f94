// SPDX-License-Identifier: MIT
// The engine's part for those who watch: errors are counted, measured tasks told to the sink, events become
// lines, reports are made.
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "engine/engine.hpp"

namespace muster::engine {

namespace {

// "12.3 ms", "480 ns".
std::string show(duration time) {
  const auto ns = static_cast<double>(time.count());
  if (ns < 1e3) return fmt::format("{} ns", time.count());
  if (ns < 1e6) return fmt::format("{:.1f} us", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.1f} ms", ns / 1e6);
  return fmt::format("{:.2f} s", ns / 1e9);
}

// At which level a pool speaks of this; none: it never does. A failed post is told as an error already.
std::optional<log_level> level_of(event_kind kind) {
  switch (kind) {
    case event_kind::worker_started:
    case event_kind::worker_ready:
    case event_kind::worker_stopped:
    case event_kind::task_began: return log_level::debug;
    case event_kind::worker_died:
    case event_kind::worker_unhealthy:
    case event_kind::start_failed:
    case event_kind::task_retried:
    case event_kind::task_stuck:
    case event_kind::memory_pressure:
    case event_kind::backing_up: return log_level::warning;
    case event_kind::degraded:
    case event_kind::error: return log_level::error;
    case event_kind::task_failed: return std::nullopt;
    default: return log_level::info;
  }
}

std::string report_text(const stats& s) {
  return fmt::format("{} of {} workers busy, {} tasks wait, {} done, {} failed, {} on average", s.busy(),
                     s.busy() + s.idle(), s.queued, s.succeeded, s.failed, show(s.average_run_time()));
}

}  // namespace

// -----------------------------------------------------------------------------------------------------------
// errors and metrics

void engine::count_error(std::string_view code) {
  watcher_.count_error(code);
  if (watcher_.metrics())
    post_metrics(watcher_.metrics()->put({.what = metric::kind::error, .code = std::string(code)}));
}

void engine::failed_beside_tasks(std::string_view code, std::string text, worker_id worker) {
  count_error(code);
  announce({.kind = event_kind::error,
            .text = std::move(text),
            .worker = worker.slot,
            .generation = worker.generation});
}

void engine::put_metric(const task& t, metric::kind what, duration run, std::string_view code) {
  if (!watcher_.metrics()) return;
  post_metrics(watcher_.metrics()->put({.what = what,
                                        .task = t.id,
                                        .id = t.names().id,
                                        .label = t.names().label,
                                        .worker = worker_of(t.worker()),
                                        .attempt = t.attempt(),
                                        .run = run,
                                        .code = std::string(code)}));
}

// A user's executor may run the sink at once, and we may be called under a lock: then the loop hands over.
void engine::post_metrics(bool is_wanted) {
  if (!is_wanted) return;
  if (settings_.callbacks) {
    std::unique_lock lock(notes_mutex_);
    if (!life_->finished) {
      lock.unlock();
      return tell({.metrics = true});
    }
  }
  hand_over_metrics();
}

namespace {
void post_calls(const std::shared_ptr<callbacks>& to, const std::shared_ptr<metrics_desk>& desk) {
  to->post([to, desk] {
    if (desk->hand_over()) post_calls(to, desk);
  });
}
}  // namespace

void engine::hand_over_metrics() { post_calls(callbacks_, watcher_.metrics()); }

void engine::note_ended(task& t, const std::exception_ptr& error) {
  if (!watcher::is_measured(t)) return;
  const auto run = watcher_.ended(t, time_->now());
  if (!run) return;  // it never began
  const bool told = watcher_.metrics() || settings_.watch.own_log.tasks;
  const std::string_view code = told && error ? code_of(error) : std::string_view();
  put_metric(t, error ? metric::kind::failed : metric::kind::completed, *run, code);
  if (settings_.watch.own_log.tasks) log_ended(t, *run, code);
}

// -----------------------------------------------------------------------------------------------------------
// lines

void engine::log_ended(const task& t, duration run, std::string_view code) {
  const auto least = settings_.watch.own_log.level;
  if (!least || *least > log_level::info) return;
  put_line({.level = log_level::info,
            .text = fmt::format("attempt {} {}{} after {}", t.attempt(),
                                code.empty() ? "done" : "failed: ", code, show(run)),
            .time = std::chrono::system_clock::now(),
            .worker = worker_of(t.worker()),
            .task = t.id,
            .task_id = t.names().id,
            .label = t.names().label,
            .event = "task_ended"});
}

bool engine::log_event(const event& e) {
  const auto least = settings_.watch.own_log.level;
  const auto level = level_of(e.kind);
  if (!least || !level || *level < *least) return false;
  put_line({.level = *level,
            .text = e.text,
            .time = std::chrono::system_clock::now(),
            .worker = e.worker,
            .generation = e.generation,
            .pid = e.pid,
            .task = e.task,
            .task_id = e.task_id,
            .label = e.label,
            .event = std::string(name(e.kind))});
  return true;
}

// Standard error may block, so it is written to where handlers run.
void engine::put_line(log_line line) {
  if (log_desk_->has_sink()) return static_cast<void>(log(std::move(line)));
  line.pool = settings_.name;
  callbacks_->post([text = line.line()] { std::fprintf(stderr, "%s\n", text.c_str()); });
}

void engine::note_listeners() {
  std::uint64_t heard = 0;
  for (const auto& l : listeners_)
    heard |= l->kind ? std::uint64_t{1} << static_cast<unsigned>(*l->kind) : ~std::uint64_t{0};
  if (const auto least = settings_.watch.own_log.level)
    for (unsigned kind = 0; kind < 64; ++kind)
      if (const auto level = level_of(static_cast<event_kind>(kind)); level && *level >= *least)
        heard |= std::uint64_t{1} << kind;
  heard_.store(heard, std::memory_order_relaxed);
}

// ----------------------------------------------------------------------------------------------------------
// reports

void engine::perform(const todo::make_report&) {
  const auto now = std::make_shared<const stats>(snapshot());
  event e{.kind = event_kind::health_report, .text = report_text(*now)};
  e.stats = now;
  announce(std::move(e));
  if (settings_.watch.on_report) callbacks_->post([hook = settings_.watch.on_report, now] { hook(*now); });
  if (const auto& desk = watcher_.metrics()) callbacks_->post([desk, now] { desk->give_gauges(*now); });
  plan_.observe(happened::reported{now->queued}, now_);
}

}  // namespace muster::engine
