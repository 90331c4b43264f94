// SPDX-License-Identifier: MIT
#include "worker/speech.hpp"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>

#include "base/log_text.hpp"
#include "base/socket.hpp"

namespace muster::worker {

namespace {
std::atomic<speech*> common = nullptr;
thread_local speech* own = nullptr;
pid_t process = 0;  // whose they are: a child that a task forks has no part in it
}  // namespace

speech::speech(int socket, int bell, const ipc::board& board, ipc::progress_slot& progress)
    : socket_(socket), bell_(bell), progress_(progress), ringer_(board) {
  process = ::getpid();
}

void speech::speak_for_all() { common.store(this); }
void speech::speak_for_this_thread() { own = this; }

speech* speech::of_this_process() {
  speech* const one = own != nullptr ? own : common.load(std::memory_order_acquire);
  return one != nullptr && ::getpid() == process ? one : nullptr;
}

void speech::log(log_level level, std::string_view text) noexcept {
  if (::getpid() != process) return;
  const ipc::control_message message{.kind = ipc::control_kind::log,
                                     .level = static_cast<std::uint32_t>(level),
                                     .position = position_.load(std::memory_order_relaxed)};
  const ipc::log_head head{
      .dropped = dropped_.exchange(0),
      .time = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()};
  try {
    std::string body(sizeof head, '\0');
    std::memcpy(body.data(), &head, sizeof head);
    body += base::cut_text(text);
    if (base::send_message(socket_, ipc::encode(message, body), {}, base::wait::no)) {
      has_spoken_.store(true, std::memory_order_relaxed);
      return;
    }
  } catch (...) {  // no memory for the line: it is lost as those that do not fit
    static_cast<void>(dropped_);
  }
  dropped_.fetch_add(head.dropped + 1);
}

void speech::progress(double fraction, std::string_view text) noexcept {
  const std::uint64_t position = position_.load(std::memory_order_relaxed);
  if (!tells_progress_.load(std::memory_order_relaxed) || position == ipc::no_position) return;
  if (::getpid() != process) return;  // the slot is not mapped there
  const std::lock_guard lock(progress_mutex_);
  ipc::write_progress(progress_, position, fraction, text);
  try {
    last_progress_.assign(reinterpret_cast<const char*>(&fraction), sizeof fraction);
    last_progress_ += text.substr(0, ipc::most_progress_bytes);
  } catch (...) {  // no memory: what the slot says will do
    last_progress_.clear();
  }
  if (!ringer_.should_ring()) return;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(bell_, &one, sizeof one));
}

void speech::repeat_last_progress(std::uint64_t position) {
  tells_progress_.store(false, std::memory_order_relaxed);
  const std::lock_guard lock(progress_mutex_);
  if (last_progress_.empty()) return;
  const ipc::control_message message{.kind = ipc::control_kind::progress, .position = position};
  if (base::send_message(socket_, ipc::encode(message, last_progress_)))
    has_spoken_.store(true, std::memory_order_relaxed);
  last_progress_.clear();
}

}  // namespace muster::worker
