// SPDX-License-Identifier: MIT
#pragma once

// One of those in a worker that run calls, one after the other: the worker's main thread, and where several
// calls run at once a thread of its own. Only its thread uses it, but for what says otherwise.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <muster/bytes.hpp>
#include <muster/call.hpp>
#include <muster/context.hpp>

#include "ipc/messages.hpp"
#include "ipc/request_ring.hpp"
#include "worker/inbox.hpp"
#include "worker/outbox.hpp"
#include "worker/output_capture.hpp"
#include "worker/speech.hpp"
#include "worker/stop_watch.hpp"

namespace muster::worker {

class runner final : detail::voice {
public:
  // `calls`: of which it uses what any thread may. All of it stays for the life of the process.
  runner(inbox& from, outbox& to, stop_watch& stops, const ipc::request_receiver& calls, int socket, int bell,
         const ipc::board& board, ipc::progress_slot& progress)
      : inbox_(from),
        outbox_(to),
        stops_(stops),
        calls_(calls),
        socket_(socket),
        speech_(socket, bell, board, progress) {}

  // Runs calls until there are no more.
  void run();

  [[nodiscard]] speech& voice() { return speech_; }
  // For a handler of a signal, on any thread: the call that it runs, or no_position, and on which thread.
  [[nodiscard]] std::uint64_t position() const { return position_.load(std::memory_order_relaxed); }
  [[nodiscard]] int thread() const { return thread_.load(std::memory_order_relaxed); }

private:
  void execute();
  ipc::reply_status perform(detail::thunk_function thunk, detail::call_site& site);
  bool send_handles();
  void refuse(const std::string& why, std::size_t handles = 0);
  void reply(ipc::reply_status how, std::span<const std::byte> payload, std::size_t handles);

  // What the running call says.
  void log(log_level level, std::string_view text) noexcept override { speech_.log(level, text); }
  void progress(double fraction, std::string_view text) noexcept override {
    speech_.progress(fraction, text);
  }
  bool yield(void* chunk, const detail::chunk_kind& kind) override;

  struct stream_state {
    std::uint64_t ahead = 0;
    std::uint64_t sent = 0;
  };
  struct one_call {
    detail::thunk_function thunk = nullptr;
    detail::call_site* site = nullptr;
  };

  inbox& inbox_;
  outbox& outbox_;
  stop_watch& stops_;
  const ipc::request_receiver& calls_;
  const int socket_;
  speech speech_;
  output_capture capture_;
  std::atomic<std::uint64_t> position_{ipc::no_position};
  std::atomic<int> thread_{0};
  arrived_call arrived_;
  bool has_spoken_ = false;  // and the reply that says so was not published yet
  stream_state yields_;      // of the call that runs
  writer result_;
  one_call present_;
};

}  // namespace muster::worker
