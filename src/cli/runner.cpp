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

runner::runner(const run_command& asked, line_file results, std::optional<line_file> events)
    : asked_(asked),
      results_(std::move(results)),
      events_(std::move(events)),
      order_(results_, asked.unordered),
      progress_(!asked.quiet) {}

runner::~runner() {
  helpers_.clear();
  pool_.reset();
  queue_.run();  // what it posted at its end
}

void runner::submit(call_request request) {
  open_call call{.index = request.index,
                 .task = 0,
                 .id = std::move(request.id),
                 .name = std::move(request.name),
                 .bytes = request.arguments ? request.arguments->size() : 0};
  if (!request.arguments)
    return put_failure(
        call, {.kind = std::string(name(error_code::invalid_call)), .message = request.arguments.error()},
        std::nullopt);
  try {
    task_options options = asked_.call;
    options.id = call.name;
    options.report = true;
    result_future made = pool_->submit(options, &detail::call_module, path_, asked_.function,
                                       shape_->signature().text, *std::move(request.arguments));
    call.task = made.task();
    ++open_calls_;
    open_bytes_ += call.bytes;
    if (events_) index_of_task_[call.task] = call.index;
    static_cast<void>(made.then([this, call = std::move(call)](result_future done) { settled(call, done); }));
  } catch (const error&) {
    put_failure(call, describe(std::current_exception()), std::nullopt);
  }
}

void runner::settled(const open_call& call, result_future& done) {
  --open_calls_;
  open_bytes_ -= call.bytes;
  index_of_task_.erase(call.task);
  const auto report = done.report();
  try {
    const std::vector<std::byte> bytes = done.get();
    const auto value = decode_value(shape_->signature().result, bytes);
    if (value) return put_value(call, *value, report);
    put_failure(call, {.kind = std::string(name(error_code::decode_error)), .message = value.error()},
                report);
  } catch (...) {
    const failure why = describe(std::current_exception());
    const bool stopped =
        why.kind == name(error_code::cancelled) || why.kind == name(error_code::pool_stopped);
    if (!stopped || (report && report->attempts > 0)) return put_failure(call, why, report);
    summary_.not_run();
    order_.put(call.index, {});
  }
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

void runner::put_value(const open_call& call, const json& value, const std::optional<task_report>& report) {
  summary_.succeeded();
  order_.put(call.index, fmt::format(R"({{"index":{},"id":{},"ok":true,"value":{}{})", call.index,
                                     id_or_null(call.id), to_line(value), tail_of_line(report)));
}

void runner::put_failure(const open_call& call, const failure& why,
                         const std::optional<task_report>& report) {
  summary_.failed(call.index, call.name, why);
  order_.put(call.index, fmt::format(R"({{"index":{},"id":{},"ok":false,"error":{}{})", call.index,
                                     id_or_null(call.id), to_line(to_json(why)), tail_of_line(report)));
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
  events_->add(line + R"(,"text":)" + to_line(json(e.text)) + "}");
}

}  // namespace muster::cli
