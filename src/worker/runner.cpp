// SPDX-License-Identifier: MIT
#include "worker/runner.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <span>
#include <utility>
#include <vector>

#include "base/socket.hpp"
#include "base/trace_here.hpp"
#include "module/exception_codec.hpp"
#include "module/throw_trace.hpp"
#include "worker/faults.hpp"
#include "worker/mail.hpp"
#include "worker/said_by_tasks.hpp"

namespace muster::worker {

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
}  // namespace

void runner::run() {
  thread_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_relaxed);
  while (inbox_.next(arrived_)) {
    position_.store(arrived_.call.position, std::memory_order_relaxed);
    execute();
    arrived_.let_go();
    result_.give_blocks({});
    position_.store(ipc::no_position, std::memory_order_relaxed);
    inbox_.done();
    if (is_leaving()) return;
  }
}

void runner::execute() {
  const auto& header = arrived_.call.header;
  const std::uint64_t position = arrived_.call.position;
  result_.clear();
  if (!arrived_.refusal.empty()) return refuse(arrived_.refusal);
  ipc::call_about told = arrived_.told ? std::move(*arrived_.told) : ipc::call_about();
  if ((header.flags & ipc::is_captured) != 0 && !capture_.begin(arrived_.handles))
    return refuse("what it prints cannot be kept: no descriptor is left");

  std::vector<ipc::block_ref> lent = arrived_.blocks;  // from which arguments take theirs
  reader in(arrived_.arguments, arrived_.handles, lent);
  result_.give_blocks(arrived_.blocks);
  const bool watched = (header.flags & ipc::wants_stop) != 0;
  const trace_context trace{std::move(told.traceparent), std::move(told.tracestate)};
  speech_.begin(position, header.flags);
  yields_ = {.ahead = ipc::ahead_of(header.flags)};
  context about(header.task, static_cast<int>(header.attempt),
                watched ? stops_.begin(position) : std::stop_token(), told.id, this, told.label,
                trace.empty() ? nullptr : &trace);
  detail::call_site site{arrived_.target, in, result_, about.stop(), &about};
  faults::reach(fault_step::calling);
  const base::within_trace within(trace.empty() ? nullptr : &trace);
  const auto status =
      perform(reinterpret_cast<detail::thunk_function>(const_cast<void*>(arrived_.thunk)), site);
  faults::reach(fault_step::returned);
  if (watched) stops_.end(position);
  capture_.end();
  if (!send_handles()) return;
  reply(status, result_.bytes(), result_.handles().size());
  result_.handles().clear();
}

ipc::reply_status runner::perform(detail::thunk_function thunk, detail::call_site& site) {
  present_ = {thunk, &site};
  try {
    module::traced_call([](void* p) { static_cast<one_call*>(p)->thunk(*static_cast<one_call*>(p)->site); },
                        &present_);
    return ipc::reply_status::value;
  } catch (...) {
    result_.clear();
    module::encode_current_exception(result_, module::describe_trace());
    return ipc::reply_status::exception;
  }
}

bool runner::yield(void* chunk, const detail::chunk_kind& kind) {
  if (yields_.ahead == 0) return false;  // nobody reads
  const std::uint64_t position = arrived_.call.position;
  for (;;) {
    const std::uint32_t seen = calls_.cancel_bell();
    if (calls_.is_cancelled(position)) return false;
    if (yields_.sent - calls_.chunks_taken(position) < yields_.ahead) break;
    calls_.wait_for_cancel(seen);
  }
  writer encoded;
  kind.encode(encoded, chunk);
  if (!encoded.handles().empty()) throw encode_error("a chunk of a stream cannot hold descriptors");
  if (!encoded.blocks().empty()) throw encode_error("a chunk of a stream cannot hold buffers");
  if (encoded.size() > ipc::payload_limit) throw encode_error("a chunk of a stream is larger than 1 GiB");
  ++yields_.sent;
  if (!outbox_.send(position, ipc::status_word(ipc::reply_status::chunk, 0, false), encoded.bytes()))
    throw encode_error("a chunk of " + std::to_string(encoded.size()) + " bytes could not be sent");
  return true;
}

// Those of the result go ahead of its reply. False: they cannot be sent, which the reply then says.
bool runner::send_handles() {
  std::vector<int> numbers;
  for (const base::file_descriptor& each : result_.handles()) numbers.push_back(each.get());
  if (numbers.empty()) return true;
  const auto sent = base::send_message(
      socket_, ipc::encode({.kind = ipc::control_kind::handles, .position = arrived_.call.position}),
      numbers);
  if (!sent) refuse("the descriptors of the result could not be sent: " + sent.error().text());
  return sent.has_value();
}

void runner::refuse(const std::string& why, std::size_t handles) {
  reply(ipc::reply_status::refused, bytes_of(why), handles);
}

// `handles`: so many descriptors were sent ahead of it.
void runner::reply(ipc::reply_status how, std::span<const std::byte> payload, std::size_t handles) {
  if (!faults::reach(fault_step::answering)) return;
  has_spoken_ = speech_.end() || has_spoken_;
  const auto sent = outbox_.send(
      arrived_.call.position, ipc::status_word(how, handles, has_spoken_, result_.names_blocks()), payload);
  if (!sent)
    return refuse("the result of " + std::to_string(payload.size()) +
                      " bytes could not be sent: " + sent.error().call + ": " + sent.error().code.message(),
                  handles);
  has_spoken_ = false;
}

}  // namespace muster::worker
