// SPDX-License-Identifier: MIT
// What worker processes say on their control sockets. They may say anything: what no worker says is a
// violation.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <sys/epoll.h>

#include "base/pidfd.hpp"
#include "base/socket.hpp"
#include "ipc/messages.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using engine::worker_event;

void process_crew::on_control(worker_process& w) {
  for (;;) {
    std::array<std::byte, ipc::longest_control_message> buffer;
    auto got = base::receive_message(w.control.get(), buffer, detail::max_handles, base::wait::no);
    if (!got && got.error().code == EAGAIN) return;
    if (!got && got.error().code == EMSGSIZE)
      return break_off(w, "its control socket: " + got.error().text());
    if (!got || got->end()) {  // it is dying
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, w.control.get(), nullptr);
      if (!got && got.error().code != ECONNRESET) w.detail = "its control socket: " + got.error().text();
      return;
    }
    if (auto wrong = on_message(w, *got, {buffer.data(), got->size})) return break_off(w, std::move(*wrong));
  }
}

std::optional<std::string> process_crew::on_message(worker_process& w, base::received_message& got,
                                                    std::span<const std::byte> bytes) {
  ipc::control_message message;
  std::string text;
  if (!ipc::decode(bytes, message, text)) return "a control message that is too short";
  const bool takes_descriptors =
      message.kind == ipc::control_kind::parcel || message.kind == ipc::control_kind::handles;
  if (!takes_descriptors && !got.descriptors.empty()) return "descriptors with a message that has none";
  switch (message.kind) {
    case ipc::control_kind::ready:
      if (w.state != worker_state::starting) return std::nullopt;
      w.step(worker_event::ready);
      w.idle_since = owner_->time().now();
      if (w.is_free()) idle_workers_.fetch_add(1, std::memory_order_relaxed);
      owner_->worker_ready(w.id, w.pid);
      pump_wanted_.store(true);
      return std::nullopt;
    case ipc::control_kind::init_failed: w.detail = text; return std::nullopt;
    case ipc::control_kind::parcel:
      if (got.descriptors.size() != 1) return "a parcel message without its one descriptor";
      if (w.sender.awaits_reply(message.position))
        w.mail[message.position].parcel = std::move(got.descriptors[0]);
      return std::nullopt;
    case ipc::control_kind::handles: return on_handles(w, message.position, std::move(got.descriptors));
    case ipc::control_kind::ask_handles: {
      if (!w.sender.seen_claimed(message.position))
        return "it asked for the descriptors of no call of its own";
      worker_process::placed& entry = w.at(message.position);
      if ((entry.task->flags & detail::task::has_handles) == 0 || std::exchange(entry.handles_asked, true))
        return "it asked for descriptors that it was not to ask for";
      w.handles_wanted = message.position;
      send_handles(w);
      return std::nullopt;
    }
  }
  return "a control message of an unknown kind";
}

// Of a result, ahead of its reply.
std::optional<std::string> process_crew::on_handles(worker_process& w, std::uint64_t position,
                                                    std::vector<base::file_descriptor> handles) {
  if (!w.sender.seen_claimed(position)) return "descriptors for no call of its own";
  auto& kept = w.mail[position].handles;
  if (handles.empty() || !kept.empty()) return "descriptors for a result that has none, or has them already";
  kept = std::move(handles);
  return std::nullopt;
}

// The owner's own go once the worker has its, unless the task may run again.
bool process_crew::send_handles(worker_process& w) {
  const std::uint64_t position = *w.handles_wanted;
  detail::task* const t = w.sender.awaits_reply(position) ? w.at(position).task : nullptr;
  if (t == nullptr) {
    w.handles_wanted.reset();
    return true;
  }
  auto& handles = t->ops->call(*t).handles;
  const ipc::control_message message{.kind = ipc::control_kind::handles, .position = position};
  std::expected<void, base::os_error> sent;
  if (!handles) {
    sent = base::send_message(w.control.get(), ipc::encode(message, "the task has settled meanwhile"), {},
                              base::wait::no);
  } else {
    std::vector<int> numbers;
    for (const unique_fd& each : *handles) numbers.push_back(each.get());
    sent = base::send_message(w.control.get(), ipc::encode(message), numbers, base::wait::no);
    if (!sent && sent.error().code == EBADF)
      sent = base::send_message(w.control.get(), ipc::encode(message, "a descriptor was closed by others"),
                                {}, base::wait::no);
  }
  const bool is_later = !sent && (sent.error().code == EAGAIN || sent.error().code == ETOOMANYREFS ||
                                  sent.error().code == ENOBUFS || sent.error().code == ENOMEM);
  if (is_later) return false;
  w.handles_wanted.reset();
  if (!owner_->may_run_again(*t)) handles.reset();
  return true;
}

void process_crew::break_off(worker_process& w, std::string what) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, w.control.get(), nullptr);
  w.detail = std::move(what);
  doom(w, death_cause::protocol_violation);
  if (w.pidfd) (void)base::send_signal(w.pidfd.get(), SIGKILL);
}

}  // namespace muster::process
