// SPDX-License-Identifier: MIT
// What worker processes say on their control sockets. They may say anything: what no worker says is a
// violation.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/epoll.h>

#include "base/pidfd.hpp"
#include "base/socket.hpp"
#include "ipc/messages.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using engine::worker_event;

// All that was sent before now; who sends on and on does not hold up the loop for longer.
void process_crew::on_control(worker_process& w) {
  constexpr int most_messages = 4'096;  // more than a socket holds
  for (int read = 0; read < most_messages; ++read) {
    std::array<std::byte, ipc::longest_control_message> buffer;
    auto got = base::receive_message(w.control.get(), buffer, detail::max_handles, base::wait::no);
    if (!got && got.error().code == EAGAIN) return;
    if (!got && got.error().code == EMSGSIZE)
      return break_off(w, "its control socket: " + got.error().text());
    // It has died and left something unread; what it sent itself lies behind that word, which comes once.
    if (!got && got.error().code == ECONNRESET) {
      note_broken(w, ECONNRESET);
      continue;
    }
    if (!got || got->end()) {  // it is dying
      w.silent_since = owner_->time().now();
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, w.control.get(), nullptr);
      if (!got) {
        w.detail = "its control socket: " + got.error().text();
        note_broken(w, got.error().code);
      }
      return;
    }
    if (auto wrong = on_message(w, *got, {buffer.data(), got->size})) return break_off(w, std::move(*wrong));
  }
}

// Under the lock. Once for a worker: it does not talk to us any more, whatever else is seen of it.
void process_crew::note_broken(worker_process& w, int code) {
  if (std::exchange(w.broken_told, true)) return;
  const char* const name = ::strerrorname_np(code);
  broken_.emplace_back(name != nullptr ? name : std::to_string(code), w.id);
  any_broken_.store(true, std::memory_order_relaxed);
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
      // Where nobody has told which process it is, it is read at its end, and never came up.
      if (w.state != worker_state::starting || !w.pidfd) return std::nullopt;
      w.step(worker_event::ready);
      w.idle_since = owner_->time().now();
      note_free(w);
      owner_->worker_ready(w.id, w.pid);
      pump_wanted_.store(true);
      return std::nullopt;
    case ipc::control_kind::init_failed: w.detail = text; return std::nullopt;
    case ipc::control_kind::ending:
      w.detail = text;
      w.has_said_why = true;
      return std::nullopt;
    case ipc::control_kind::broken: return text;
    case ipc::control_kind::parcel:
      if (got.descriptors.size() != 1) return "a parcel message without its one descriptor";
      if (!w.sender.awaits_reply(message.position)) return std::nullopt;
      w.mail[message.position].parcels.push_back(std::move(got.descriptors[0]));
      if (w.mail[message.position].parcels.size() > ipc::slot_count) return "parcels without replies";
      return std::nullopt;
    case ipc::control_kind::handles: return on_handles(w, message.position, std::move(got.descriptors));
    case ipc::control_kind::ask_handles: {
      if (!w.sender.seen_claimed(message.position))
        return "it asked for the descriptors of no call of its own";
      worker_process::placed& entry = w.at(message.position);
      if (!entry.task->is(detail::task::has_handles | detail::task::captured) ||
          std::exchange(entry.handles_asked, true))
        return "it asked for descriptors that it was not to ask for";
      w.handles_wanted = message.position;
      send_handles(w);
      return std::nullopt;
    }
    case ipc::control_kind::unwell:
      if (!on_unwell(w, text)) return "it said before its time, or twice, that it is not well";
      return std::nullopt;
    case ipc::control_kind::leaving:
      if (!on_leaving(w, text)) return "it said before its time, or twice, that it leaves";
      return std::nullopt;
    case ipc::control_kind::log: return on_line(w, message, text);
    case ipc::control_kind::progress: {
      double fraction = 0;
      if (text.size() < sizeof fraction || text.size() > sizeof fraction + ipc::most_progress_bytes)
        return "progress that is none";
      std::memcpy(&fraction, text.data(), sizeof fraction);
      note_progress(w, message.position, fraction, text.substr(sizeof fraction));
      return std::nullopt;
    }
    case ipc::control_kind::keep:
    case ipc::control_kind::lend: break;  // what only an owner says
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

// With a text for the worker where they cannot be sent.
bool process_crew::send_handles(worker_process& w) {
  const std::uint64_t position = *w.handles_wanted;
  detail::task* const t = w.sender.awaits_reply(position) ? w.at(position).task : nullptr;
  if (t == nullptr) {
    w.handles_wanted.reset();
    return true;
  }
  auto& own = t->ops->call(*t).handles;
  std::vector<base::file_descriptor> ends;  // for what it prints; the worker's
  std::string problem;
  if (t->is(detail::task::has_handles) && !own) problem = "the task has settled meanwhile";
  if (t->is(detail::task::captured) && !open_output(w, position, ends))
    problem = "what it prints cannot be kept: " + base::last_os_error("pipe2, epoll_ctl").text();
  std::vector<int> numbers;
  for (const unique_fd& each : ends) numbers.push_back(each.get());
  if (own)
    for (const unique_fd& each : *own) numbers.push_back(each.get());
  const auto send = [&] {
    const ipc::control_message message{.kind = ipc::control_kind::handles, .position = position};
    if (!problem.empty()) numbers.clear();
    return base::send_message(w.control.get(), ipc::encode(message, problem), numbers, base::wait::no);
  };
  auto sent = send();
  if (!sent && sent.error().code == EBADF) {
    problem = "a descriptor among its arguments was closed by others";
    sent = send();
  }
  const bool is_later = !sent && (sent.error().code == EAGAIN || sent.error().code == ETOOMANYREFS ||
                                  sent.error().code == ENOBUFS || sent.error().code == ENOMEM);
  if (is_later) return false;
  w.handles_wanted.reset();
  if (!owner_->may_run_again(*t)) own.reset();
  return true;
}

// The level and the text are the worker's own words about itself; which task it was is ours to say.
std::optional<std::string> process_crew::on_line(worker_process& w, const ipc::control_message& message,
                                                 std::string_view body) {
  constexpr std::size_t most_lines = 1'024;
  ipc::log_head head;
  if (body.size() < sizeof head || message.level > static_cast<std::uint32_t>(log_level::error))
    return "a line of a log that is none";
  std::memcpy(&head, body.data(), sizeof head);
  if (lines_.size() >= most_lines) {
    lines_dropped_ += head.dropped + 1;
    return std::nullopt;
  }
  log_line line{.level = static_cast<log_level>(message.level),
                .text = std::string(body.substr(sizeof head)),
                .time = std::chrono::system_clock::time_point(std::chrono::nanoseconds(head.time)),
                .pool = options_.name,
                .worker = w.id.slot,
                .generation = w.id.generation,
                .pid = w.pid,
                .dropped = head.dropped + std::exchange(lines_dropped_, 0)};
  if (w.sender.seen_claimed(message.position)) {
    const error_subject subject = owner_->subject_of(*w.at(message.position).task);
    line.task = subject.task;
    line.task_id = subject.task_id;
    line.label = subject.label;
  }
  lines_.push_back(std::move(line));
  return std::nullopt;
}

void process_crew::take_progress(worker_process& w) {
  for (std::size_t i = 0; i < w.at_once; ++i) {
    if (!ipc::has_news(w.progress(i), w.progress_seen[i])) continue;
    if (auto seen = ipc::read_progress(w.progress(i), w.progress_seen[i]))
      note_progress(w, seen->position, seen->fraction, std::move(seen->text));
  }
}

void process_crew::note_progress(worker_process& w, std::uint64_t position, double fraction,
                                 std::string text) {
  if (!w.sender.seen_claimed(position)) return;
  detail::task& t = *w.at(position).task;
  if (!t.is(detail::task::tells_progress)) return;
  if (progress_.empty() || progress_.back().task.get() != &t)
    progress_.push_back({detail::task_ref<>::share(t), fraction, std::move(text)});
  else
    progress_.back() = {std::move(progress_.back().task), fraction, std::move(text)};
}

void process_crew::tell_of_broken() {
  if (!any_broken_.load(std::memory_order_relaxed)) return;
  std::vector<std::pair<std::string, worker_id>> broken;
  {
    const std::lock_guard lock(mutex_);
    broken.swap(broken_);
    any_broken_.store(false, std::memory_order_relaxed);
  }
  for (const auto& [code, who] : broken)
    owner_->failed_beside_tasks(
        code, "the socket to worker " + std::to_string(who.slot) + " broke: " + code + "; it is replaced",
        who);
}

void process_crew::deliver() {
  tell_of_broken();
  for (log_line& line : std::exchange(lines_, {}))
    if (!options_.log)
      standard_error_.write(line.line() + "\n");
    else
      (void)owner_->log(std::move(line));
  for (progress_read& each : std::exchange(progress_, {}))
    owner_->progressed(*each.task, each.fraction, each.text);
}

void process_crew::break_off(worker_process& w, std::string what) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, w.control.get(), nullptr);
  w.detail = std::move(what);
  doom(w, death_cause::protocol_violation);
  if (w.pidfd) (void)base::send_signal(w.pidfd.get(), SIGKILL);
}

}  // namespace muster::process
