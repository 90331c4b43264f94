// SPDX-License-Identifier: MIT
#include "worker/inbox.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <utility>

#include "base/spin.hpp"
#include "ipc/call_blocks.hpp"
#include "ipc/messages.hpp"
#include "ipc/parcel.hpp"
#include "worker/faults.hpp"
#include "worker/said_by_tasks.hpp"

namespace muster::worker {

bool inbox::next(arrived_call& into) {
  const std::lock_guard lock(lock_);
  while (!calls_.stopping() && !is_leaving()) {
    faults::reach(fault_step::looking);
    if (const auto call = calls_.next()) {
      into.call = *call;
      if (spin_.count() > 0) base::note_cpu(replies_.rings.worker_cpu);
      keep_alive_.worked();
      if (are_several_) under_way_.fetch_add(1, std::memory_order_relaxed);
      fetch(into);
      return true;
    }
    std::fflush(stdout);  // what tasks print appears though the buffer is not full
    answer_ping();
    faults::reach(fault_step::falling_asleep);
    rest();
    faults::reach(fault_step::woken);
  }
  return false;
}

void inbox::fetch(arrived_call& into) {
  faults::reach(fault_step::claimed);
  const ipc::request_receiver::call& call = into.call;
  if (call.payload == ipc::carrier::parcel) {
    auto received = receive_parcel(call);
    if (!received) return into.refusal.swap(received.error());
    into.parcel = std::move(*received);
    into.arguments = into.parcel;
  } else {
    into.arguments = calls_.payload(call);
  }
  if ((call.header.flags & ipc::has_blocks) != 0)
    if (auto taken = take_blocks(into); !taken) {
      into.refusal = "the memory that is lent to it could not be mapped: " + taken.error();
      return;
    }
  if ((call.header.flags & ipc::has_about) != 0)
    if (into.told = ipc::take_about(into.arguments); !into.told) {
      into.refusal = "what is to be known about the call is not whole";
      return;
    }
  if (into.argument_block) into.arguments = {into.argument_block->address, into.argument_block->room};
  if ((call.header.flags & (ipc::has_handles | ipc::is_captured)) != 0) {
    auto received = mail_.ask_handles(call.position);
    if (!received) return into.refusal.swap(received.error());
    into.handles = std::move(*received);
  }
  if (every_call_ != nullptr) {
    into.thunk = every_call_;
    return;
  }
  auto thunk = functions_.address_of({call.header.thunk});
  auto target = functions_.address_of({call.header.target});
  if (!thunk || !target) return into.refusal.swap(thunk ? target.error() : thunk.error());
  into.thunk = *thunk;
  into.target = *target;
}

std::expected<std::vector<std::byte>, std::string> inbox::receive_parcel(
    const ipc::request_receiver::call& call) {
  const auto file = mail_.take(ipc::control_kind::parcel, call.position);
  if (!file) return std::unexpected(file.error());
  auto content = file->empty() ? std::unexpected(ipc::system_failure{
                                     "no parcel came", std::make_error_code(std::errc::no_message)})
                               : ipc::read_parcel(file->front().get(), call.size);
  if (!content)
    return std::unexpected(std::string("the arguments could not be read: ") + content.error().call + ": " +
                           content.error().code.message());
  return std::move(*content);
}

// What is kept is mapped already, or lies in the socket; the rest is mapped for this call.
std::expected<void, std::string> inbox::take_blocks(arrived_call& into) {
  const auto list = ipc::take_list(into.arguments);
  if (!list) return std::unexpected("the list is not whole");
  const auto is_kept = [](const ipc::lent_block& b) { return (b.flags & ipc::lent_block::is_kept) != 0; };
  std::vector<base::file_descriptor> files;
  if (!std::ranges::all_of(*list, is_kept)) {
    auto received = mail_.take(ipc::control_kind::lend, into.call.position);
    if (!received) return std::unexpected(received.error());
    files = std::move(*received);
  }
  std::size_t next = 0;
  for (const ipc::lent_block& each : *list) {
    if (is_kept(each)) {
      auto kept = mail_.kept(each.id, into.call.position);
      if (!kept) return std::unexpected(kept.error());
      (*kept)->room = each.room;
      if ((each.flags & ipc::lent_block::holds_arguments) != 0)
        into.argument_block = std::move(*kept);
      else
        into.blocks.push_back(std::move(*kept));
      continue;
    }
    if (next == files.size()) return std::unexpected("a descriptor is missing");
    auto mapped = ipc::map_lent(files[next].get(), each.size, each.room,
                                (each.flags & ipc::lent_block::is_writable) != 0, false);
    if (!mapped)
      return std::unexpected(std::string(mapped.error().call) + ": " + mapped.error().code.message());
    keep_file(**mapped, std::move(files[next++]));
    into.blocks.push_back(std::move(*mapped));
  }
  return {};
}

// Sleeps, but for the keep-alive hook, which runs beside no call either. Before, it may look for a while.
void inbox::rest() {
  if (spin_.count() > 0 && base::spin(spin_, requests_.owner_cpu, [this] { return calls_.anything(); }))
    return;
  if (!hooks_.keep_alive_every()) return calls_.sleep();
  const auto is_idle = [this] { return under_way_.load(std::memory_order_relaxed) == 0; };
  const auto now = std::chrono::steady_clock::now();
  if (!is_idle()) keep_alive_.worked();
  const auto due = keep_alive_.idle(now);
  calls_.sleep(std::max<std::chrono::nanoseconds>(*due - now, std::chrono::nanoseconds(0)));
  if (!calls_.anything() && is_idle() && keep_alive_.is_due(std::chrono::steady_clock::now()))
    hooks_.keep_alive();
}

// The user's check runs beside no call: none can begin meanwhile, and it waits for none.
void inbox::answer_ping() {
  const std::uint32_t number = calls_.ping();
  if (number == 0) return;
  if (under_way_.load(std::memory_order_relaxed) == 0) hooks_.check();
  calls_.answered(number);
  replies_.signs.pong.store(number, std::memory_order_release);
}

}  // namespace muster::worker
