// SPDX-License-Identifier: MIT
#pragma once

// Makes a stop token of the owner's "cancel this call". It needs a thread, because a token must fire while
// the task computes; the thread is started by the first call that wants a token, and lives as long as the
// worker process. Used by the threads that run calls.

#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "ipc/request_ring.hpp"

namespace muster::worker {

class stop_watch {
public:
  explicit stop_watch(const ipc::request_receiver& calls) : calls_(calls) {}

  // A token for the call at this position; it fires when the owner cancels it, before or during the call.
  std::stop_token begin(std::uint64_t position);
  void end(std::uint64_t position);

private:
  struct watched {
    std::uint64_t position;
    std::shared_ptr<std::stop_source> source;
  };

  void look();
  [[noreturn]] void run();

  const ipc::request_receiver& calls_;  // of which it uses what any thread may
  std::mutex mutex_;
  bool running_ = false;        // guarded by mutex_
  std::vector<watched> watch_;  // the calls that run and want a token; guarded by mutex_
};

}  // namespace muster::worker
