// SPDX-License-Identifier: MIT
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <expected>
#include <span>
#include <utility>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"

// Message sockets between two processes of one machine: SOCK_SEQPACKET, so a message arrives whole or not at
// all, with descriptors passed beside the bytes. Stateless functions; any thread, but one reader and one
// writer at a time make sense of the order.

namespace muster::base {

inline constexpr std::size_t most_descriptors_in_a_message = 18;  // 16 of a call, 2 for what it prints

enum class wait { yes, no };  // no: EAGAIN instead of sleeping, whatever the mode of the descriptor

// Both ends are close-on-exec and numbered above 2, even in a process that has closed its standard
// descriptors: otherwise the program's own output would be written into our protocol.
std::expected<std::pair<file_descriptor, file_descriptor>, os_error> socket_pair();

// The same open file under a number above 2, close-on-exec.
std::expected<file_descriptor, os_error> above_standard(file_descriptor descriptor);

// Sends one message. Blocks while the other side does not read, unless told not to wait (EAGAIN). The
// descriptors stay the caller's. EPIPE when the other side is gone (never SIGPIPE); EMSGSIZE when it cannot
// fit.
std::expected<void, os_error> send_message(int socket, std::span<const std::byte> bytes,
                                           std::span<const int> descriptors = {}, wait waiting = wait::yes);

// The same over a connection without messages, of as much of these pieces as there is room for: how much. The
// descriptors go with the first byte.
std::expected<std::size_t, os_error> send_some(int socket, std::span<iovec> pieces,
                                               std::span<const int> descriptors, wait waiting = wait::yes);

struct received_message {
  std::size_t size =
      0;  // bytes in the buffer; 0 means the other side has closed (empty messages are not sent)
  std::vector<file_descriptor> descriptors;
  bool end() const noexcept { return size == 0; }
};

// Receives one message into `buffer`. A message longer than the buffer, or with more than `most_descriptors`
// descriptors, is an error (EMSGSIZE): it is consumed and what came with it is closed.
std::expected<received_message, os_error> receive_message(int socket, std::span<std::byte> buffer,
                                                          std::size_t most_descriptors = 0,
                                                          wait waiting = wait::yes);

}  // namespace muster::base
