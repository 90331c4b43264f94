// SPDX-License-Identifier: MIT
// The calls of a run: made, and told of when they have settled. The turning is in turn.cpp, the beginning in
// start.cpp.
#include "cli/runner.hpp"

#include <utility>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "cli/json_codec.hpp"

namespace muster::cli {
namespace {

std::string id_or_null(const std::string& id) { return id.empty() ? "null" : to_line(json(id)); }

}  // namespace

runner::runner(const run_command& asked, run_files files)
    : asked_(asked),
      results_(*std::move(files.results)),
      events_(std::move(files.events)),
      log_(std::move(files.log)),
      progress_(!asked.quiet && !asked.dry_run),
      order_(results_, asked.unordered, [this](const std::string& text) {
        flush_log();
        progress_.show_output(text);
      }) {}

runner::~runner() {
  helpers_.clear();
  calls_.reset();
  queue_.run();  // what they posted at their end
}

void runner::submit(call_request request) {
  if (asked_.dry_run) return put_dry(request);
  open_call call{.index = request.index,
                 .id = std::move(request.id),
                 .name = std::move(request.name),
                 .key = std::move(request.key),
                 .bytes = request.data ? request.data->size() : 0};
  if (take_from_log(call)) return;
  if (!request.data)
    return put(call,
               std::unexpected(failure{.kind = std::string(name(error_code::invalid_call)),
                                       .message = request.data.error()}),
               std::nullopt);
  try {
    submit_to_pool(call, std::move(request));
  } catch (const error&) {
    put(call, std::unexpected(describe(std::current_exception())), std::nullopt);
  }
}

void runner::submit_to_pool(open_call call, call_request request) {
  task_options options = asked_.call;
  options.id = call.name;
  options.report = true;
  if (request.priority) options.priority = *request.priority;
  const std::uint64_t index = call.index;
  const std::size_t bytes = call.bytes;
  const std::uint64_t task =
      calls_->submit(*callee_, options, *std::move(request.data),
                     [this, call = std::move(call)](std::uint64_t done, const answer& got,
                                                    const std::optional<task_report>& report) {
                       index_of_task_.erase(done);
                       settled(call, got, report);
                     });
  ++open_calls_;
  open_bytes_ += bytes;
  if (events_) index_of_task_[task] = index;
}

void runner::settled(const open_call& call, const answer& got, const std::optional<task_report>& report) {
  --open_calls_;
  open_bytes_ -= call.bytes;
  if (!was_stopped(got) || (report && report->attempts > 0)) return put(call, got, report);
  summary_.not_run();
  order_.put(call.index, {});
}

// Of a call that is in the job log only its result is written once more, as the run that had it may have been
// killed before it could.
bool runner::take_from_log(open_call& call) {
  auto known = log_ ? log_->take_done(call.key) : std::nullopt;
  if (!known) return false;
  const bool ok = known->value("ok", json()) == true;
  call.again = !ok && asked_.failed_again;
  if (call.again) return false;
  summary_.known(ok);
  (*known)["index"] = call.index;
  order_.put(call.index, text_of(call, answer_in(*known), to_line(*known)));
  return true;
}

void runner::put_dry(const call_request& request) {
  if (!request.data) {
    summary_.failed(request.index, request.name,
                    {.kind = std::string(name(error_code::invalid_call)), .message = request.data.error()});
    return order_.put(request.index, {.err = fmt::format("muster: {}\n", request.data.error())});
  }
  summary_.succeeded();
  order_.put(request.index, {.out = request.data->text + '\n'});
}

std::string runner::seconds(clock::time_point at) const {
  return fmt::format("{:.6f}", std::chrono::duration<double>(at - began_).count());
}

std::string runner::tail_of_line(const std::optional<task_report>& report) const {
  if (!report) return R"(,"attempts":0,"worker":null,"began":null,"ended":)" + seconds(clock::now()) + "}";
  return fmt::format(R"(,"attempts":{},"worker":{},"began":{},"ended":{}}})", report->attempts,
                     report->worker ? std::to_string(*report->worker) : "null",
                     report->began ? seconds(*report->began) : "null", seconds(report->ended));
}

void runner::put(const open_call& call, const answer& got, const std::optional<task_report>& report) {
  if (got)
    summary_.succeeded();
  else
    summary_.failed(call.index, call.name, got.error());
  const std::string line = fmt::format(
      R"({{"index":{},"id":{},"ok":{}{})", call.index, id_or_null(call.id),
      got ? R"(true,"value":)" + to_line(*got) : R"(false,"error":)" + to_line(to_json(got.error())),
      tail_of_line(report));
  if (log_ && !was_stopped(got)) log_->add(call.key, line, call.again);
  order_.put(call.index, text_of(call, got, line));
  halt_if_due();
}

result_text runner::text_of(const open_call& call, const answer& got, const std::string& line) const {
  if (!asked_.raw && !asked_.tag) return {.out = line + '\n'};
  return raw_text(got, call.name, asked_.tag);
}

void runner::on_event(const event& e) {
  if (e.kind == event_kind::started || e.kind == event_kind::worker_ready) started_ = true;
  if (e.kind == event_kind::worker_ready) ever_ready_ = true;
  if (e.kind == event_kind::start_failed) {
    if (!ever_ready_) ++start_failures_;
    last_start_failure_ = e.text;
  }
  const bool news = e.kind == event_kind::degraded || e.kind == event_kind::recovered;
  if (news && ever_ready_ && !asked_.quiet)
    progress_.say(fmt::format("{} ({})", e.text, last_start_failure_));
  if (!events_) return;
  std::string line = fmt::format(R"({{"time":{},"event":"{}")", seconds(e.time), name(e.kind));
  if (e.worker) line += fmt::format(R"(,"worker":{},"generation":{})", *e.worker, e.generation);
  if (e.pid != 0) line += fmt::format(R"(,"pid":{})", e.pid);
  if (e.task != 0) line += fmt::format(R"(,"task":{})", e.task);
  if (const auto found = index_of_task_.find(e.task); found != index_of_task_.end())
    line += fmt::format(R"(,"index":{})", found->second);
  if (!e.task_id.empty()) line += fmt::format(R"(,"id":{})", to_line(json(e.task_id)));
  if (e.death) line += fmt::format(R"(,"cause":"{}")", name(e.death->cause));
  events_->add(line + R"(,"text":)" + to_line(json(e.text)) + "}\n");
}

}  // namespace muster::cli
