// SPDX-License-Identifier: MIT
#pragma once

// What the owner sends to a worker beside the rings: parcels ahead of the calls that they belong to, and
// descriptors when they are asked for. Messages come in the order in which they were sent, which need not be
// the order in which they are wanted: what is early is kept, what belongs to calls that were taken back is
// dropped. Used by one thread at a time, for calls in the order in which they were claimed.

#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_descriptor.hpp"
#include "ipc/block.hpp"
#include "ipc/messages.hpp"

namespace muster::worker {

// Any thread. The owner is gone where this fails, and we are about to be.
void tell_owner(int socket, const ipc::control_message& message, std::string_view text = {},
                std::span<const int> descriptors = {});

// Before there are calls: descriptors of blocks are kept with them (memory_block::for_host).
void keep_files_of_blocks();
void keep_file(ipc::memory_block& block, base::file_descriptor file);

class mail {
public:
  explicit mail(int socket) : socket_(socket) {}

  // The descriptors of the message of this kind for the call at this position, which the owner has sent or is
  // about to. Blocks until it is there; ends the process where the owner is gone.
  std::expected<std::vector<base::file_descriptor>, std::string> take(ipc::control_kind kind,
                                                                      std::uint64_t position);
  // A block that the owner has sent to be kept, before it handed over the call at this position. Blocks until
  // it is there.
  std::expected<ipc::block_ref, std::string> kept(std::uint64_t id, std::uint64_t position);
  // Asks for the descriptors beside the arguments of a call that has begun, and waits for them.
  std::expected<std::vector<base::file_descriptor>, std::string> ask_handles(std::uint64_t position);

private:
  struct letter {
    std::vector<base::file_descriptor> descriptors;
    std::string text;
  };

  // Reads one message. An error: it did not arrive, and no other will.
  std::expected<void, std::string> read_one(std::uint64_t position);
  void keep(std::string_view about, std::vector<base::file_descriptor>& files);

  struct kept_block {
    std::uint64_t id = 0;
    ipc::block_ref block{};
    std::string problem{};  // why it is not mapped
  };

  const int socket_;
  std::vector<kept_block> kept_;
  // By position, then kind. Bounded by the calls that the owner may have under way.
  std::map<std::pair<std::uint64_t, ipc::control_kind>, letter> early_;
};

}  // namespace muster::worker
