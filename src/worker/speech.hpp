// SPDX-License-Identifier: MIT
#pragma once

// What a worker process says while it runs calls: lines of a log, which go over the control socket and never
// wait for it, and progress, which goes through shared memory. One object for each that runs calls, made
// before any code of the user's runs. Any thread may speak, and then it is about the call that runs; where
// several run at once, about the one that its own thread runs.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include <muster/log.hpp>

#include "ipc/board.hpp"
#include "ipc/loop_bell.hpp"
#include "ipc/messages.hpp"
#include "ipc/progress_slot.hpp"

namespace muster::worker {

class speech {
public:
  // All of it stays for the life of the process.
  speech(int socket, int bell, const ipc::board& board, ipc::progress_slot& progress);

  // By the main thread: the one for threads that have none of their own.
  void speak_for_all();
  // By a thread that runs calls: the one for it.
  void speak_for_this_thread();
  // The one for the calling thread; null where this is no worker, or the child of one.
  static speech* of_this_process();

  // By the thread that runs calls: from here on it is about the call at this position, with these flags.
  void begin(std::uint64_t position, std::uint32_t flags) {
    tells_progress_.store((flags & ipc::tells_progress) != 0, std::memory_order_relaxed);
    position_.store(position, std::memory_order_relaxed);
  }
  // The call is over. True: something of it is in the socket.
  [[nodiscard]] bool end() {
    const std::uint64_t position = position_.exchange(ipc::no_position, std::memory_order_relaxed);
    if (tells_progress_.load(std::memory_order_relaxed)) repeat_last_progress(position);
    return has_spoken_.load(std::memory_order_relaxed) && has_spoken_.exchange(false);
  }

  void log(log_level level, std::string_view text) noexcept;
  void progress(double fraction, std::string_view text) noexcept;

private:
  // By the socket: the next call may write over the slot before the owner has looked at it.
  void repeat_last_progress(std::uint64_t position);

  const int socket_, bell_;
  std::atomic<std::uint64_t> position_{ipc::no_position};
  std::atomic<bool> tells_progress_{false};
  std::atomic<bool> has_spoken_{false};
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex progress_mutex_;
  ipc::progress_slot& progress_;  // written with progress_mutex_
  std::string last_progress_;     // of the call that runs, encoded; guarded by progress_mutex_
  ipc::loop_bell_ringer ringer_;  // guarded by progress_mutex_
};

}  // namespace muster::worker
