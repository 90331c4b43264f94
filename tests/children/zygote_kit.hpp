// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/socket.hpp"
#include "process/zygote_link.hpp"

// What tests, and the programs they run, need to order workers and talk to them: a line to a zygote with the
// pool's half of each worker. Everything that waits has a watchdog and throws when it bites. One thread.

namespace muster::test {

using namespace std::chrono_literals;
inline constexpr auto watchdog = 20s;

// The owner's half of one worker. Its worker reads commands on the control socket: see obedient_worker.hpp.
struct ordered_worker {
  base::file_descriptor control;
  base::file_descriptor errors;  // read end of its error output

  std::string ask(const std::string& command) const {
    const auto sent = base::send_message(control.get(), std::as_bytes(std::span(command)));
    if (!sent) throw std::runtime_error("ask " + command + ": " + sent.error().text());
    return hear();
  }
  // Waits for a message; "" when the worker has closed.
  std::string hear() const {
    pollfd wanted{.fd = control.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, static_cast<int>(std::chrono::milliseconds(watchdog).count())) != 1)
      throw std::runtime_error("the worker does not answer");
    std::vector<std::byte> buffer(1 << 16);
    const auto message = base::receive_message(control.get(), buffer);
    if (!message) return "";
    return {reinterpret_cast<const char*>(buffer.data()), message->size};
  }
};

inline ordered_worker order_worker(process::zygote_link& link, ipc::worker_birth birth) {
  auto ends = base::socket_pair();
  if (!ends) throw std::runtime_error(ends.error().text());
  const auto memory = [] { return base::file_descriptor(::memfd_create("test", MFD_CLOEXEC)); };
  const auto board = memory(), requests = memory(), replies = memory();
  const base::file_descriptor bell(::eventfd(0, EFD_CLOEXEC));
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  ordered_worker result{.control = std::move(ends->first), .errors = base::file_descriptor(pipe_ends[0])};
  const base::file_descriptor error_output(pipe_ends[1]);
  const auto done = link.spawn({.birth = std::move(birth),
                                .control = ends->second.get(),
                                .board = board.get(),
                                .requests = requests.get(),
                                .replies = replies.get(),
                                .bell = bell.get(),
                                .error_output = error_output.get()});
  if (!done) throw std::runtime_error(done.error().text());
  return result;
}

inline ipc::worker_birth birth_of(std::uint32_t slot, std::uint64_t generation = 1) {
  ipc::worker_birth birth;
  birth.slot = slot;
  birth.generation = generation;
  birth.pool = "test";
  return birth;
}

inline process::answer next_answer(process::zygote_link& link) {
  const auto deadline = std::chrono::steady_clock::now() + watchdog;
  while (true) {
    if (auto answer = link.next()) return std::move(*answer);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) throw std::runtime_error("the zygote does not answer");
    pollfd wanted{.fd = link.descriptor(), .events = POLLIN, .revents = 0};
    ::poll(&wanted, 1, static_cast<int>(left.count()));
  }
}

// The next answer, which must be of this kind.
template <typename Answer>
Answer next(process::zygote_link& link) {
  auto answer = next_answer(link);
  if (auto* wanted = std::get_if<Answer>(&answer)) return std::move(*wanted);
  std::string text = "another answer came: number " + std::to_string(answer.index());
  if (const auto* failed = std::get_if<process::start_failed>(&answer)) text += ", " + failed->reason.text();
  throw std::runtime_error(text);
}

// Processes by number and start time, for asking later whether they are gone.
struct known_process {
  pid_t pid = 0;
  unsigned long long start = 0;
};

inline known_process know(pid_t pid) {
  const auto status = base::status_of(pid);
  return {pid, status ? status->start : 0};
}

// A zombie counts as gone: it runs nothing and holds nothing, and to reap it is its parent's affair.
inline bool is_gone(const known_process& process) {
  const auto status = base::status_of(process.pid);
  return !status || status->start != process.start || status->state == 'Z' || status->state == 'X';
}

// Waits until all are gone; how many are still there when `limit` has passed.
inline std::size_t still_there(const std::vector<known_process>& processes, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::size_t left = 0;
  for (const known_process& process : processes) {
    if (is_gone(process)) continue;
    const auto pidfd = base::open_pidfd(process.pid);
    if (!pidfd || is_gone(process)) continue;
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (!base::wait_until_dead(pidfd->get(), std::max(rest, 0ms))) ++left;
  }
  return left;
}

}  // namespace muster::test
