// SPDX-License-Identifier: MIT
#pragma once

// Where the threads of a worker that run calls put the answers: one ring with one writer at a time.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "ipc/board.hpp"
#include "ipc/loop_bell.hpp"
#include "ipc/reader_bell.hpp"
#include "ipc/region.hpp"
#include "ipc/reply_ring.hpp"
#include "worker/runners_lock.hpp"

namespace muster::worker {

class outbox {
public:
  // All of it stays for the life of the process.
  outbox(bool are_several, const ipc::request_region& requests, ipc::reply_region& replies,
         const ipc::board& board, int socket, int bell)
      : lock_(are_several),
        replies_(requests, replies),
        loop_bell_(board),
        reader_bell_(requests, replies),
        socket_(socket),
        bell_(bell) {}

  // Gives the owner a reply to this position, and wakes it where that is needed. Waits for room, which only
  // chunks can use up.
  std::expected<void, ipc::system_failure> send(std::uint64_t position, std::uint32_t status,
                                                std::span<const std::byte> payload);

private:
  void ring();

  runners_lock lock_;  // guards what follows
  ipc::reply_sender replies_;
  ipc::loop_bell_ringer loop_bell_;
  ipc::reader_bell_ringer reader_bell_;
  const int socket_, bell_;
};

}  // namespace muster::worker
