// SPDX-License-Identifier: MIT
#pragma once

/// Everything that can go wrong, one class per kind, all derived from muster::error.
///
/// A future's `get` throws the task's own exception, or one of these. Each says which task and which worker
/// it concerns and what to do next; `what()` is a sentence that holds all of it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// The kind of an error, for switches and for counters. name() gives the class's name.
enum class error_code : std::uint8_t {
  not_started,
  not_ready,
  unexpected_exit,
  out_of_memory,
  worker_error,
  protocol_violation,
  queue_full,
  enqueue_timeout,
  task_timeout,
  cancelled,
  pool_stopped,
  would_deadlock,
  invalid_options,
  invalid_call,
  decode_error,
  encode_error,
  memory_pressure,
  unknown_pool,
  would_be_late,
  circuit_open,
  quarantined,
  arena_full,
};

std::string_view name(error_code code) noexcept;

/// Which task, and where. Everything is optional: an error that concerns no task has no task.
struct error_subject {
  std::uint64_t task = 0;            ///< The task's number; 0: none.
  std::string task_id{};             ///< task_options::id.
  std::optional<unsigned> worker{};  ///< The worker's slot.
  int attempt = 0;                   ///< The attempt that failed; 0: it never began.
  std::string label{};               ///< task_options::label.
};

namespace detail {
/// How its submitter calls a task, in brackets after its number: " (label: id)", or one of them, or nothing.
inline std::string in_brackets(std::string_view label, std::string_view id) {
  if (label.empty() && id.empty()) return {};
  std::string text = " (";
  text.append(label).append(label.empty() || id.empty() ? "" : ": ").append(id);
  return text + ")";
}
}  // namespace detail

class error : public std::runtime_error {
public:
  error(error_code code, const std::string& what, error_subject subject = {})
      : std::runtime_error(sentence(what, subject)),
        code_(code),
        subject_(std::make_shared<const error_subject>(std::move(subject))) {}
  [[nodiscard]] error_code code() const noexcept { return code_; }
  [[nodiscard]] const error_subject& subject() const noexcept { return *subject_; }

private:
  // Inline, because modules throw decode_error and encode_error and do not link the library.
  static std::string sentence(const std::string& what, const error_subject& subject) {
    if (subject.task == 0) return what;
    std::string where = "task " + std::to_string(subject.task);
    where += detail::in_brackets(subject.label, subject.task_id);
    if (subject.attempt > 1) where += ", attempt " + std::to_string(subject.attempt);
    if (subject.worker) where += ", worker " + std::to_string(*subject.worker);
    return where + ": " + what;
  }

  error_code code_;
  std::shared_ptr<const error_subject> subject_;  // shared: copying an exception must not throw
};

/// Why a worker process ended.
enum class death_cause : std::uint8_t {
  exited,              ///< It called exit.
  signalled,           ///< A signal ended it that nobody here sent.
  out_of_memory,       ///< It met its memory limit.
  run_timeout,         ///< We ended it: its task was past its run timeout.
  cancelled,           ///< We ended it: its task was cancelled and did not stop in time.
  protocol_violation,  ///< We killed it: it wrote what no worker writes.
  not_ready,           ///< We killed it: it was not ready in time.
  unresponsive,        ///< We killed it: it failed its health checks.
  stopped,             ///< We ended it: the pool stopped or shrank, or it asked for that.
  unknown,             ///< Its zygote died with it, so nobody saw its status.
};

std::string_view name(death_cause cause) noexcept;

/// One step of a call stack.
struct stack_frame {
  std::uint64_t address = 0;  ///< In the worker process.
  std::string module{};       ///< The program file or shared object; empty: unknown.
  std::uint64_t offset = 0;   ///< In that file, as `addr2line -e` takes it.
  std::string function{};     ///< Readable; empty: the file does not tell.
  std::string source{};  ///< "file:line"; empty: the file does not tell, or muster was built without libdw.

  /// One line: "parse(int) at parser.cpp:12 (program)".
  [[nodiscard]] std::string text() const;
};

/// How a worker process ended, as a value.
struct death {
  death_cause cause = death_cause::unknown;
  unsigned worker = 0;      ///< Its slot.
  unsigned generation = 0;  ///< The how manieth worker in that slot.
  int pid = 0;
  std::optional<int> exit_code{};
  std::optional<int> signal{};
  std::string detail{};  ///< More about the cause, one line.
  std::size_t tasks_served = 0;
  std::chrono::nanoseconds alive{};
  std::size_t peak_memory = 0;  ///< Bytes (largest resident set); 0: unknown.
  std::optional<std::size_t> memory_limit{};
  std::string last_stderr{};  ///< At most the last 64 KiB.
  /// The tasks that it had begun. They fail with this death, or are run again.
  std::vector<error_subject> tasks{};
  /// Which process sent the signal, where the worker could tell; its own pid: itself. The kernel never tells
  /// who sent a SIGKILL. A signal that the pool sent has another `cause` than `signalled`.
  std::optional<int> signal_sender{};
  /// The address that a fault was about.
  std::optional<std::uint64_t> fault_address{};
  /// Where it was, innermost first: where it crashed, or where it hung when it was killed for being late. Up
  /// to 64 frames. Said by the worker itself, so a worker that ruins its memory may say anything.
  std::vector<stack_frame> backtrace{};
  /// Why there is no backtrace, where there might have been one.
  std::string backtrace_missing{};

  /// The innermost frame that is the program's own and not the C or C++ library's; null: unknown.
  [[nodiscard]] const stack_frame* place() const;
  /// One line: "worker 2 (pid 4711) ended by SIGSEGV (Segmentation fault) in parse(int) at parser.cpp:12".
  [[nodiscard]] std::string summary() const;
  /// A paragraph for a person: the line above, how long it lived, what it served and had, memory, the
  /// backtrace, the last of stderr.
  [[nodiscard]] std::string text() const;
  friend std::ostream& operator<<(std::ostream& out, const death& how) { return out << how.text(); }
};

namespace detail {
template <error_code Code>
class plain_error : public error {
public:
  explicit plain_error(const std::string& what, error_subject subject = {})
      : error(Code, what, std::move(subject)) {}
};
}  // namespace detail

/// Called before the pool was started, or muster::init was not called. Call muster::init first thing in main.
struct not_started : detail::plain_error<error_code::not_started> {
  using plain_error::plain_error;
};
/// Workers could not be brought up; the text holds the cause.
struct not_ready : detail::plain_error<error_code::not_ready> {
  using plain_error::plain_error;
};
/// The queue is full and its policy is to reject, or the task was dropped to make room. Submit later, or
/// choose when_full::wait.
struct queue_full : detail::plain_error<error_code::queue_full> {
  using plain_error::plain_error;
};
/// The queue stayed full for as long as queue_options::patience.
struct enqueue_timeout : detail::plain_error<error_code::enqueue_timeout> {
  using plain_error::plain_error;
};
/// The owner's memory is above owner_memory_options::limit, and its policy is to reject. Submit later.
struct memory_pressure : detail::plain_error<error_code::memory_pressure> {
  using plain_error::plain_error;
};
/// No buffer of that size can be leased within arena_options::bytes and blocks. Wait until some are given
/// back (pool.lease takes a patience), or raise the limits; the text has the figures.
struct arena_full : detail::plain_error<error_code::arena_full> {
  using plain_error::plain_error;
};
/// The task could not be done by its deadline, so it was not accepted (queue_options::refuse_hopeless).
/// Submit it later, with more time, or to a pool with less to do.
struct would_be_late : detail::plain_error<error_code::would_be_late> {
  using plain_error::plain_error;
};
/// Too many tasks have failed, so this one was refused: see breaker_options. The text says which breaker is
/// open, why, and when it lets somebody try again.
struct circuit_open : detail::plain_error<error_code::circuit_open> {
  using plain_error::plain_error;
};
/// A queue timeout, run timeout or deadline passed; the text says which.
struct task_timeout : detail::plain_error<error_code::task_timeout> {
  using plain_error::plain_error;
};
/// future::cancel, the task's stop token, or stopping the pool.
struct cancelled : detail::plain_error<error_code::cancelled> {
  using plain_error::plain_error;
};
/// The pool takes no more tasks, or was stopped before this task could finish.
struct pool_stopped : detail::plain_error<error_code::pool_stopped> {
  using plain_error::plain_error;
};
/// A task would have waited for work that only its own pool can do, and that waits for the task.
struct would_deadlock : detail::plain_error<error_code::would_deadlock> {
  using plain_error::plain_error;
};
/// One line for each problem: the option, its value, its range, what to do.
struct invalid_options : detail::plain_error<error_code::invalid_options> {
  using plain_error::plain_error;
};
/// No such module or function, or its signature is another; the text names both.
struct invalid_call : detail::plain_error<error_code::invalid_call> {
  using plain_error::plain_error;
};
/// Bytes that came from another process are not the value that was promised.
struct decode_error : detail::plain_error<error_code::decode_error> {
  using plain_error::plain_error;
};
/// A pool_group has no pool of that name; the text lists those it has.
struct unknown_pool : detail::plain_error<error_code::unknown_pool> {
  using plain_error::plain_error;
};
/// A value has no encoding: containers and pointers nest in it more than 256 deep, or a variant has no value.
struct encode_error : detail::plain_error<error_code::encode_error> {
  using plain_error::plain_error;
};

/// The worker process ended while it held the task. death() says why.
class unexpected_exit : public error {
public:
  unexpected_exit(muster::death death, error_subject subject, error_code code = error_code::unexpected_exit);
  /// Shares the death with others: one worker may have had several tasks.
  unexpected_exit(std::shared_ptr<const muster::death> death, error_subject subject,
                  error_code code = error_code::unexpected_exit);
  [[nodiscard]] const muster::death& death() const noexcept { return *death_; }

protected:
  unexpected_exit(const std::string& what, std::shared_ptr<const muster::death> death, error_subject subject,
                  error_code code)
      : error(code, what, std::move(subject)), death_(std::move(death)) {}

private:
  std::shared_ptr<const muster::death> death_;
};

/// Worker processes died under this task too often, so it was set aside; or it has the id of one that was,
/// and was refused: see quarantine_options. death() is the last of those deaths.
class quarantined : public unexpected_exit {
public:
  quarantined(const std::string& what, std::shared_ptr<const muster::death> death, error_subject subject)
      : unexpected_exit(what, std::move(death), std::move(subject), error_code::quarantined) {}
};

/// The worker process met its memory limit. Also thrown when the task got bad_alloc under a limit; then the
/// worker lives.
class out_of_memory : public unexpected_exit {
public:
  out_of_memory(muster::death death, error_subject subject)
      : unexpected_exit(std::move(death), std::move(subject), error_code::out_of_memory) {}
  out_of_memory(std::shared_ptr<const muster::death> death, error_subject subject)
      : unexpected_exit(std::move(death), std::move(subject), error_code::out_of_memory) {}
};

/// The worker process wrote what no worker writes; it was killed.
class protocol_violation : public unexpected_exit {
public:
  protocol_violation(muster::death death, error_subject subject)
      : unexpected_exit(std::move(death), std::move(subject), error_code::protocol_violation) {}
  protocol_violation(std::shared_ptr<const muster::death> death, error_subject subject)
      : unexpected_exit(std::move(death), std::move(subject), error_code::protocol_violation) {}
};

/// An exception in a worker process that is of no standard type: its type's name, its text, where it was
/// thrown.
class worker_error : public error {
public:
  worker_error(std::string type, std::string text, std::string backtrace, error_subject subject = {});
  [[nodiscard]] const std::string& type() const noexcept { return thrown_->type; }
  [[nodiscard]] const std::string& text() const noexcept { return thrown_->text; }
  [[nodiscard]] const std::string& backtrace() const noexcept { return thrown_->backtrace; }

private:
  struct thrown {
    std::string type, text, backtrace;
  };
  std::shared_ptr<const thrown> thrown_;
};

}  // namespace muster
