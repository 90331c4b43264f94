// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"
#include "process/spawn.hpp"

// A pool's own line to the zygote: starts workers, hears of their ends. Owned by the process crew; one thread
// at a time may use it. Pools share nothing here: each has its own socket, and the zygote never lets one wait
// for another.

namespace muster::process {

class zygote_link {
public:
  // Connects a new pool to the zygote of this process, which is made again if it has died; with `program`, to
  // the zygote that runs that program (a path; its main must call muster::init). Any thread. Blocks until the
  // zygote answers: well under a millisecond when it lives, else as long as the program takes to reach init,
  // at most `ready_timeout`. A program that ends before, or never gets there, is an error that says so.
  static std::expected<zygote_link, base::os_error> open(
      std::optional<std::string> program = std::nullopt,
      std::chrono::milliseconds ready_timeout = std::chrono::seconds(10));

  zygote_link(zygote_link&&) noexcept = default;  // the moved-from link holds nothing
  zygote_link& operator=(zygote_link&&) noexcept;
  // The zygote kills and reaps what still lives of this link; not waited for. In a forked copy of the owner:
  // nothing.
  ~zygote_link();

  // Readable when next() has something to say. For epoll; level-triggered.
  int descriptor() const noexcept { return socket_.get(); }
  // A pidfd of the zygote: readable when it is dead.
  int zygote_descriptor() const noexcept { return zygote_->get(); }
  pid_t zygote_pid() const noexcept { return zygote_pid_; }

  // Says that a spawn will follow soon, so that the zygote can fork while the caller makes what the worker
  // needs. Does not block; without it, or where it fails, the spawn takes longer.
  void prepare();

  // Asks for a worker; does not block. Answered later by one `started` or `start_failed`. Errors: EMSGSIZE
  // when the birth is larger than largest_request, EAGAIN when the zygote is behind (try again when
  // descriptor() is writable), EPIPE when it is gone.
  std::expected<void, base::os_error> spawn(const spawn_request& request);

  // Sends `signal` to the worker and to its whole process group, unless it is already reaped; does not block.
  // Also ends a start that hangs. Errors as for spawn.
  //
  // Why by message: a process group is named by a number, and only the zygote, which alone reaps its workers,
  // knows that the number still means this worker. For the worker process itself there is the faster
  // base::send_signal(pidfd, …), which needs nobody.
  std::expected<void, base::os_error> kill(std::uint32_t slot, std::uint64_t generation, int signal);

  // The next answer, if there is one; does not block. After `lost` it answers `lost` for ever. The first
  // `lost` that nobody asked for also kills what the dead zygote's session has left.
  std::optional<answer> next();

  // No more orders: the zygote kills every worker of this link, reports each end, and then closes (`lost`).
  void end_workers();

private:
  zygote_link(base::file_descriptor socket, std::shared_ptr<const base::file_descriptor> zygote,
              pid_t zygote_pid);

  void close_line();
  std::expected<void, base::os_error> send(std::span<const std::byte> bytes,
                                           std::span<const int> descriptors);

  base::file_descriptor socket_;
  std::shared_ptr<const base::file_descriptor> zygote_;  // pidfd, shared with the process-wide connection
  pid_t zygote_pid_ = 0;
  pid_t owner_ = 0;      // who opened it; a forked copy of the owner is not it
  bool ending_ = false;  // end_workers was called
  bool lost_ = false;
};

}  // namespace muster::process
