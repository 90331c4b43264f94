// SPDX-License-Identifier: MIT
#include <muster/error.hpp>

#include <cstring>

#include <fmt/format.h>

namespace muster {

std::string_view name(error_code code) noexcept {
  static constexpr std::string_view names[] = {
      "not_started",     "not_ready",          "unexpected_exit", "out_of_memory",
      "worker_error",    "protocol_violation", "queue_full",      "enqueue_timeout",
      "task_timeout",    "cancelled",          "pool_stopped",    "would_deadlock",
      "invalid_options", "invalid_call",       "decode_error",    "encode_error"};
  return names[static_cast<std::size_t>(code)];
}

std::string_view name(death_cause cause) noexcept {
  static constexpr std::string_view names[] = {"exited",      "signalled", "out_of_memory",
                                               "run_timeout", "cancelled", "protocol_violation",
                                               "not_ready",   "stopped",   "unknown"};
  return names[static_cast<std::size_t>(cause)];
}

std::string death::summary() const {
  if (pid == 0 && !detail.empty()) return fmt::format("worker {}: {}", worker, detail);  // it lives
  std::string who = fmt::format("worker {} (pid {})", worker, pid);
  std::string how;
  if (signal)
    how = fmt::format("ended by {} ({})",
                      sigabbrev_np(*signal) != nullptr ? fmt::format("SIG{}", sigabbrev_np(*signal))
                                                       : fmt::format("signal {}", *signal),
                      strsignal(*signal));
  else if (exit_code)
    how = fmt::format("exited with code {}", *exit_code);
  else
    how = "ended, nobody saw how";
  std::string why;
  switch (cause) {
    case death_cause::exited:
    case death_cause::signalled:
    case death_cause::unknown: break;
    case death_cause::out_of_memory: why = "out of memory"; break;
    case death_cause::run_timeout: why = "killed: its task was past its run timeout"; break;
    case death_cause::cancelled: why = "killed: its task was cancelled and did not stop"; break;
    case death_cause::protocol_violation: why = "killed: it broke the protocol"; break;
    case death_cause::not_ready: why = "killed: it was not ready in time"; break;
    case death_cause::stopped: why = "told to stop"; break;
  }
  std::string line = who + " " + how;
  if (!why.empty()) line += "; " + why;
  if (!detail.empty()) line += " (" + detail + ")";
  return line;
}

std::string death::text() const {
  std::string paragraph = summary() + ".\n";
  if (pid == 0 && !detail.empty()) {
    if (memory_limit) paragraph += fmt::format("  Its memory limit is {} MiB.\n", *memory_limit >> 20);
    return paragraph;
  }
  paragraph +=
      fmt::format("  It lived {:.3f} s and served {} task{}", std::chrono::duration<double>(alive).count(),
                  tasks_served, tasks_served == 1 ? "" : "s");
  if (peak_memory != 0) paragraph += fmt::format("; its memory peaked at {} MiB", peak_memory >> 20);
  if (memory_limit) paragraph += fmt::format(" under a limit of {} MiB", *memory_limit >> 20);
  paragraph += ".\n";
  if (!last_stderr.empty()) {
    paragraph += "  The last it wrote to standard error:\n";
    std::string_view rest = last_stderr;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      paragraph += "    ";
      paragraph += rest.substr(0, end);
      paragraph += '\n';
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  return paragraph;
}

unexpected_exit::unexpected_exit(muster::death how, error_subject subject, error_code code)
    : error(code, how.pid == 0 && subject.worker && !how.detail.empty() ? how.detail : how.summary(),
            std::move(subject)),
      death_(std::make_shared<const muster::death>(std::move(how))) {}

worker_error::worker_error(std::string type, std::string text, std::string backtrace, error_subject subject)
    : error(error_code::worker_error, type + ": " + text, std::move(subject)),
      thrown_(
          std::make_shared<const thrown>(thrown{std::move(type), std::move(text), std::move(backtrace)})) {}

}  // namespace muster
