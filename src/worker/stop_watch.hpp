// SPDX-License-Identifier: MIT
#pragma once

// Makes a stop token of the owner's "cancel this call". It needs a thread, because a token must fire while
// the task computes; the thread is started by the first call that wants a token, and lives as long as the
// worker process. Used by the worker's only other thread, the one that runs calls.

#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>

#include "ipc/request_ring.hpp"

namespace muster::worker {

class stop_watch {
public:
  explicit stop_watch(const ipc::request_receiver& calls) : calls_(calls) {}

  // A token for the call at this position; it fires when the owner cancels it, before or during the call.
  std::stop_token begin(std::uint64_t position);
  void end();

private:
  void look();
  [[noreturn]] void run();

  const ipc::request_receiver& calls_;
  bool running_ = false;
  std::mutex mutex_;
  std::uint64_t position_ = 0;                 // guarded by mutex_
  std::shared_ptr<std::stop_source> present_;  // guarded by mutex_; null between calls
};

}  // namespace muster::worker
