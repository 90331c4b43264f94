// SPDX-License-Identifier: MIT
#include <muster/error.hpp>

#include <csignal>

#include <fmt/format.h>

#include "base/signal_text.hpp"

namespace muster {

std::string_view name(error_code code) noexcept {
  static constexpr std::string_view names[] = {
      "not_started",        "not_ready",       "unexpected_exit", "out_of_memory", "worker_error",
      "protocol_violation", "queue_full",      "enqueue_timeout", "task_timeout",  "cancelled",
      "pool_stopped",       "would_deadlock",  "invalid_options", "invalid_call",  "decode_error",
      "encode_error",       "memory_pressure", "unknown_pool",    "would_be_late", "circuit_open",
      "quarantined",        "arena_full"};
  return names[static_cast<std::size_t>(code)];
}

std::string_view name(death_cause cause) noexcept {
  static constexpr std::string_view names[] = {
      "exited",    "signalled",    "out_of_memory", "run_timeout", "cancelled", "protocol_violation",
      "not_ready", "unresponsive", "stopped",       "unknown"};
  return names[static_cast<std::size_t>(cause)];
}

namespace {

std::string_view file_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The files whose functions are how a program ends, and hardly ever why.
bool is_library_of_the_language(std::string_view module) {
  const std::string_view file = file_name(module);
  for (const std::string_view begin : {"libc.", "libc-", "libpthread", "libm.", "libm-", "libstdc++",
                                       "libgcc_s", "ld-linux", "libc++", "[vdso]"})
    if (file.starts_with(begin)) return true;
  return false;
}

std::string in_function(const stack_frame& frame) {
  std::string text = frame.function.empty() ? fmt::format("{:#x}", frame.offset) : frame.function;
  if (!frame.source.empty()) text += fmt::format(" at {}", frame.source);
  return text;
}

std::string how_it_ended(const death& how) {
  std::string text;
  if (how.signal)
    text = base::ended_by(*how.signal);
  else if (how.exit_code)
    text = fmt::format("exited with code {}", *how.exit_code);
  else
    text = "ended, nobody saw how";
  if (how.signal_sender)
    text += *how.signal_sender == how.pid ? ", sent by itself"
                                          : fmt::format(", sent by process {}", *how.signal_sender);
  if (how.fault_address)
    text += *how.fault_address < 4096 && how.signal != SIGFPE && how.signal != SIGILL
                ? " at a null pointer"
                : fmt::format(" at address {:#x}", *how.fault_address);
  return text;
}

std::string_view why_it_was_ended(death_cause cause) {
  switch (cause) {
    case death_cause::exited:
    case death_cause::signalled:
    case death_cause::unknown: break;
    case death_cause::out_of_memory: return "out of memory";
    case death_cause::run_timeout: return "killed: its task was past its run timeout";
    case death_cause::cancelled: return "killed: its task was cancelled and did not stop";
    case death_cause::protocol_violation: return "killed: it broke the protocol";
    case death_cause::not_ready: return "killed: it was not ready in time";
    case death_cause::unresponsive: return "killed: it was unresponsive";
    case death_cause::stopped: return "told to stop";
  }
  return {};
}

std::string names_of(const std::vector<error_subject>& tasks) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t i = 0; i < tasks.size() && i < most; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", tasks[i].task);
    text += detail::in_brackets(tasks[i].label, tasks[i].task_id);
  }
  if (tasks.size() > most) text += fmt::format(" and {} more", tasks.size() - most);
  return text;
}

std::string ordinal(unsigned n) {
  const bool teens = n % 100 > 10 && n % 100 < 14;
  const char* const end = teens ? "th" : n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
  return fmt::format("{}{}", n, end);
}

std::string mebibytes(std::size_t bytes) {
  if (bytes % (1U << 20U) == 0) return fmt::format("{} MiB", bytes >> 20U);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

std::string stack_frame::text() const {
  if (module.empty()) return fmt::format("{:#x} (in no file)", address);
  if (function.empty()) return fmt::format("{}+{:#x}", file_name(module), offset);
  return fmt::format("{} ({}+{:#x})", in_function(*this), file_name(module), offset);
}

const stack_frame* death::place() const {
  for (const stack_frame& frame : backtrace)
    if (!frame.module.empty() && !is_library_of_the_language(frame.module)) return &frame;
  return nullptr;
}

std::string death::summary() const {
  if (pid == 0 && !detail.empty()) return fmt::format("worker {}: {}", worker, detail);  // it lives
  std::string line = fmt::format("worker {} (pid {}) {}", worker, pid, how_it_ended(*this));
  if (const auto why = why_it_was_ended(cause); !why.empty()) line += fmt::format("; {}", why);
  if (!detail.empty()) line += fmt::format(" ({})", detail);
  if (const stack_frame* at = place())
    line += fmt::format("{} in {}",
                        cause != death_cause::signalled ? "; it was"
                        : signal_sender                 ? ","
                                                        : "",
                        in_function(*at));
  return line;
}

std::string death::text() const {
  std::string paragraph = summary() + ".\n";
  if (pid != 0) {  // where it lives, nobody asked how it is
    paragraph +=
        fmt::format("  It was the {} in its slot, lived {:.3f} s and served {} task{}", ordinal(generation),
                    std::chrono::duration<double>(alive).count(), tasks_served, tasks_served == 1 ? "" : "s");
    if (!tasks.empty())
      paragraph += fmt::format("; it had begun task{} {}", tasks.size() == 1 ? "" : "s", names_of(tasks));
    paragraph += ".\n";
  }
  if (peak_memory != 0) {
    paragraph += "  Its memory peaked at " + mebibytes(peak_memory);
    paragraph += memory_limit ? " under a limit of " + mebibytes(*memory_limit) + ".\n" : ".\n";
  } else if (memory_limit) {
    paragraph += "  Its memory was limited to " + mebibytes(*memory_limit) + ".\n";
  }
  if (signal == SIGKILL && cause == death_cause::signalled)
    paragraph +=
        "  This pool did not kill it; who did, the kernel does not tell. It may have been the system, out of "
        "memory.\n";
  if (!backtrace.empty()) paragraph += "  Where it was:\n";
  for (std::size_t i = 0; i < backtrace.size(); ++i)
    paragraph += fmt::format("    #{} {}\n", i, backtrace[i].text());
  if (backtrace.empty() && !backtrace_missing.empty())
    paragraph += fmt::format("  Where it was is not known: {}.\n", backtrace_missing);
  if (last_stderr.empty()) return paragraph;
  paragraph += "  The last it wrote to standard error:\n";
  for (std::string_view rest = last_stderr; !rest.empty();) {
    const auto end = rest.find('\n');
    paragraph += fmt::format("    {}\n", rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return paragraph;
}

unexpected_exit::unexpected_exit(muster::death how, error_subject subject, error_code code)
    : unexpected_exit(std::make_shared<const muster::death>(std::move(how)), std::move(subject), code) {}

unexpected_exit::unexpected_exit(std::shared_ptr<const muster::death> how, error_subject subject,
                                 error_code code)
    : error(code, how->pid == 0 && subject.worker && !how->detail.empty() ? how->detail : how->summary(),
            std::move(subject)),
      death_(std::move(how)) {}

worker_error::worker_error(std::string type, std::string text, std::string backtrace, error_subject subject)
    : error(error_code::worker_error, type + ": " + text, std::move(subject)),
      thrown_(
          std::make_shared<const thrown>(thrown{std::move(type), std::move(text), std::move(backtrace)})) {}

}  // namespace muster
