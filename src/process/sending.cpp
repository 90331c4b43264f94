// SPDX-License-Identifier: MIT
// How a call is handed to a worker process: into its ring, and beside it what does not fit there.
#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <muster/detail/chunk_line.hpp>
#include <muster/error.hpp>

#include "base/assert.hpp"
#include "base/socket.hpp"
#include "base/spin.hpp"
#include "ipc/call_about.hpp"
#include "ipc/messages.hpp"
#include "ipc/parcel.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using detail::block_ref;
using detail::task;
using use = engine::happened::worker_used::use;

namespace {
// Its submitter's names for it, and its trace: see ipc/call_about.hpp. A call that is nearly as large as one
// may be goes without.
bool has_about(task& t) {
  constexpr std::size_t most = ipc::payload_limit - (std::size_t{1} << 12U);
  return t.extras && !(t.names().id.empty() && t.names().label.empty() && t.names().trace.empty()) &&
         t.ops->call(t).data.view().size() <= most;
}

std::uint32_t flags_of(task& t) {
  return (has_about(t) ? ipc::has_about : 0) | (t.is(task::wants_stop) ? ipc::wants_stop : 0) |
         (t.is(task::has_handles) ? ipc::has_handles : 0) | (t.is(task::captured) ? ipc::is_captured : 0) |
         (t.is(task::tells_progress) ? ipc::tells_progress : 0) |
         (t.extras && t.extras->chunks ? ipc::ahead_flag(t.extras->chunks->ahead()) : 0);
}
}  // namespace

bool process_crew::place(worker_process& w, task& t) {
  detail::crossing_call& call = t.ops->call(t);
  std::string problem;
  const auto refuse = [&] {
    t.count_attempt();
    refused_.emplace_back(
        &t, std::make_exception_ptr(invalid_call(problem, {.task = t.id, .worker = w.id.slot})));
    return false;
  };
  if (call.blocks && !make_exclusive(w, *call.blocks, problem)) return refuse();
  const block_ref carrier = block_for(w, call.data);
  // What goes through the ring: the list of blocks, what is to be known of it, the arguments.
  std::span<const std::byte> payload = carrier ? std::span<const std::byte>() : call.data.view();
  std::vector<std::byte> told;
  if (has_about(t))
    payload = told = ipc::with_about(t.names().id, t.names().label, t.names().trace.traceparent,
                                     t.names().trace.tracestate, payload);
  if (call.blocks || carrier)
    payload = told = with_blocks(call.blocks.get(), carrier.get(), call.data.view().size(), payload);
  const ipc::call_header header{.task = t.id,
                                .thunk = call.thunk,
                                .target = call.target,
                                .attempt = static_cast<std::uint32_t>(t.attempt() + 1),
                                .flags = flags_of(t) | (call.blocks || carrier ? ipc::has_blocks : 0)};
  const auto prepared = w.sender.prepare(header, payload);
  MUSTER_ASSERT(prepared.has_value());
  t.set_worker(w.id.slot);
  if ((prepared->payload == ipc::carrier::parcel && !send_parcel(w, prepared->position, payload, problem)) ||
      (call.blocks && !show(w, prepared->position, *call.blocks, problem)) ||
      !show_arguments(w, prepared->position, carrier.get(), problem)) {
    w.sender.abandon(prepared->position);
    if (!problem.empty()) return refuse();
    w.is_clogged = true;  // until it answers, for which it reads, or is gone
    w.own.push_front(&t);
    return false;
  }
  t.count_attempt();
  w.at(prepared->position) = {.task = &t, .arguments = carrier};
  if (call.blocks)
    w.at(prepared->position).blocks = std::make_unique<std::vector<detail::block_ref>>(*call.blocks);
  w.had_tasks = true;
  lowest_placed_ = std::min(lowest_placed_, t.priority);
  if (w.in_flight() <= w.at_once) {
    const auto now = owner_->time().now();
    if (w.in_flight() == 1) w.head_since = now;
    note_running(w);
    gave_calls_ = true;
    if (sleeps_until_ > base::after(now, 2 * patience_.claim)) {
      sleeps_until_ = base::time_point::min();
      wake();
    }
  }
  note_load(w);
  if (options_.spin.count() > 0) base::note_cpu(w.requests.view<ipc::request_region>().owner_cpu);
  if (w.one_task) owner_->worker_used(w.id, use::given);
  w.sender.hand_over(prepared->position);
  w.fresh = true;
  return true;
}

// What could not be sent with a call says nothing about the call where the worker is dead, which the zygote
// will tell, or where its socket is full of what it has not read, of this call or of others.
bool process_crew::is_for_later(const worker_process& w, int code) {
  const bool is_dead = code == EPIPE || code == ECONNRESET;
  const bool is_full = code == EAGAIN || code == ETOOMANYREFS || code == ENOBUFS || code == ENOMEM;
  return is_dead || (is_full && w.in_flight() > 1);
}

bool process_crew::send_parcel(worker_process& w, std::uint64_t position, std::span<const std::byte> payload,
                               std::string& problem) {
  const auto file = ipc::write_parcel(payload);
  if (!file) {
    problem = "arguments of " + std::to_string(payload.size()) +
              " bytes could not be sent: " + file.error().call + ": " + file.error().code.message();
    return false;
  }
  const int descriptor = file->get();
  const auto sent = base::send_message(w.control.get(),
                                       ipc::encode({.kind = ipc::control_kind::parcel, .position = position}),
                                       {&descriptor, 1}, base::wait::no);
  if (sent || is_for_later(w, sent.error().code)) return sent.has_value();
  note_broken(w, sent.error().code);
  problem =
      "arguments of " + std::to_string(payload.size()) + " bytes could not be sent: " + sent.error().text();
  return sent.has_value();
}

}  // namespace muster::process
