// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"
#include "ipc/birth.hpp"

// What an owner asks of its zygote and what it is answered, as values and as bytes. Pure functions without
// any state: the owner encodes requests and decodes answers, the zygote does the opposite. Both sides check
// bounds; a message that does not parse is an error, never a read past its end.

namespace muster::process {

inline constexpr std::size_t largest_request = 60 * 1024;  // bytes of one encoded spawn_request

// The descriptors are the caller's and may be closed as soon as spawn() has returned.
struct spawn_request {
  ipc::worker_birth birth;
  int control = -1;
  int board = -1;
  int requests = -1;
  int replies = -1;
  int bell = -1;
  int error_output = -1;

  std::array<int, 6> descriptors() const { return {control, board, requests, replies, bell, error_output}; }
};

// The worker lives and is set up; its main has been called. Its own first words on the control socket may
// arrive earlier than this answer, since they travel on another socket.
struct started {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  pid_t pid = 0;
  base::file_descriptor pidfd;
};

// No worker came of the request: exactly one of `started` and `start_failed` answers each spawn that was
// accepted.
struct start_failed {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  ipc::failed_step reason;
};

// A worker that had started is dead and reaped, and what was left of its process group was killed.
struct ended {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  pid_t pid = 0;
  int wait_status = 0;  // as from waitpid: WIFEXITED, WTERMSIG …
  std::uint64_t max_rss_kib = 0;
  std::chrono::microseconds user_time{0};
  std::chrono::microseconds system_time{0};
};

// The zygote is gone, and with it every worker of this link: nothing more will be answered. Also the last
// answer after end_workers().
struct lost {};

using answer = std::variant<started, start_failed, ended, lost>;

// The zygote's half.
struct spawn_order {
  ipc::worker_birth birth;
};
struct kill_order {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  int signal = 0;
};
struct prepare_order {};  // a spawn follows soon
using order = std::variant<spawn_order, kill_order, prepare_order>;

std::expected<std::vector<std::byte>, base::os_error> encode(const ipc::worker_birth& birth);
std::vector<std::byte> encode(const kill_order& message);
std::vector<std::byte> encode(const prepare_order& message);
std::vector<std::byte> encode(const started& message);
std::vector<std::byte> encode(const start_failed& message);
std::vector<std::byte> encode(const ended& message);

std::expected<order, base::os_error> decode_order(std::span<const std::byte> bytes);
// `pidfd` is taken by a `started` and closed otherwise.
std::expected<answer, base::os_error> decode_answer(std::span<const std::byte> bytes,
                                                    base::file_descriptor pidfd);

}  // namespace muster::process
