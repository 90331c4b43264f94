// SPDX-License-Identifier: MIT
// How a host begins and ends, and what becomes of its worker then.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <expected>

#include <muster/error.hpp>
#include <muster/this_worker.hpp>

#include "base/os_error.hpp"
#include "base/pidfd.hpp"
#include "base/printable.hpp"
#include "base/process_info.hpp"
#include "base/sanitizer.hpp"
#include "base/socket.hpp"
#include "host/bridge.hpp"
#include "host/scripts.hpp"
#include "worker/ending.hpp"

namespace muster::host {
namespace {

// For the handler: signals that reach this worker on their way to its program, each once.
std::atomic<int> signalled{-1};           // its pidfd; below 0: it has ended
std::atomic<std::uint64_t> passed_on{0};  // a bit for each signal

void pass_on(int signal) {
  const int error = errno;
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(signal - 1);
  if ((passed_on.fetch_or(bit, std::memory_order_relaxed) & bit) == 0)
    if (const int to = signalled.load(std::memory_order_relaxed); to >= 0)
      (void)base::send_signal(to, signal);
  errno = error;
}

void pass_on_signals(const std::vector<int>& signals) {
  struct sigaction action = {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  for (const int signal : signals) ::sigaction(signal, &action, nullptr);
}

// The worker did not come up.
[[noreturn]] void give_up(const std::string& why) {
  worker::tell_ending(why);
  ::_exit(1);
}

// The worker's status is to be that of its program.
[[noreturn]] void end_like(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    ::prctl(PR_SET_DUMPABLE, 0);  // the core worth having is the program's
    ::signal(signal, SIG_DFL);
    sigset_t just_this;
    ::sigemptyset(&just_this);
    ::sigaddset(&just_this, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &just_this, nullptr);
    ::raise(signal);
    ::_exit(128 + signal);
  }
  ::_exit(WEXITSTATUS(wait_status));
}

constexpr std::chrono::seconds last_patience{1};  // with a program that has closed its output

}  // namespace

bridge::bridge(plan what) : plan_(std::move(what)), title_(plan_.title()) {}

// -----------------------------------------------------------------------------------------------------------
// beginning

void bridge::begin() {
  ::signal(SIGPIPE, SIG_IGN);
  start_program();
  signalled.store(child_.pidfd.get(), std::memory_order_relaxed);
  pass_on_signals(plan_.signals);
  in_.emplace(from_.get(), child_.pidfd.get(), plan_.max_line);
  if (plan_.says_ready) await_ready();
  has_begun_ = true;
  listener_ = std::thread([this] { listen(); });
}

void bridge::start_program() {
  const auto failed = [this](const std::string& why) {
    give_up("its program " + title_ + " could not be started: " + why);
  };
  int to[2] = {-1, -1};
  int from[2] = {-1, -1};
  std::vector<placement> placements;
  base::file_descriptor their_input, their_output;
  if (plan_.descriptor != 0) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to) != 0)
      failed(base::last_os_error("socketpair").text());
    to_.reset(to[0]);
    their_input.reset(to[1]);
    from_.reset(::fcntl(to[0], F_DUPFD_CLOEXEC, 3));
    placements = {{their_input.get(), plan_.descriptor}, {STDERR_FILENO, STDOUT_FILENO}};
  } else {
    if (::pipe2(to, O_CLOEXEC) != 0) failed(base::last_os_error("pipe2").text());
    to_.reset(to[1]);
    their_input.reset(to[0]);
    if (::pipe2(from, O_CLOEXEC) != 0) failed(base::last_os_error("pipe2").text());
    from_.reset(from[0]);
    their_output.reset(from[1]);
    placements = {{their_input.get(), STDIN_FILENO}, {their_output.get(), STDOUT_FILENO}};
  }
  auto made = start(command_of(plan_), placements);
  if (!made) failed(made.error());
  child_ = std::move(*made);
}

// That may be a message: stray lines are forwarded, where they are to be.
std::expected<std::string, line_end> bridge::next_line() {
  for (;;) {
    auto line = in_->line();
    if (!line || !plan_.forwards_stray || line->starts_with('{')) return line;
    std::fprintf(stderr, "%s\n", line->c_str());
  }
}

void bridge::await_ready() {
  const auto line = next_line();
  if (!line) {
    if (line.error() == line_end::too_long) broke_protocol("its first line is longer than max_line");
    program_ended(line.error() == line_end::cut_off);
  }
  const auto said = read_line(plan_.protocol, *line);
  if (said && said->kind == message_kind::not_ready)
    give_up("its program " + title_ + " is not ready: " +
            (said->error ? said->error->type + ": " + said->error->message + "\n" + said->error->stack
                         : std::string("it does not say why")));
  if (!said || said->kind != message_kind::ready)
    broke_protocol("it did not say first that it is ready, but: " + line->substr(0, 100));
}

// -----------------------------------------------------------------------------------------------------------
// the listener

void bridge::listen() {
  auto looked = std::chrono::steady_clock::now();
  for (;;) {
    take(read_message());
    // What the worker holds is its host's memory as much as its own.
    if (const auto now = std::chrono::steady_clock::now(); now - looked >= std::chrono::milliseconds(500)) {
      looked = now;
      report_memory();
    }
  }
}

message bridge::read_message() {
  const auto line = next_line();
  if (!line) on_end_of_input(line.error());
  auto said = read_line(plan_.protocol, *line);
  if (said) return *std::move(said);
  constexpr std::size_t most = 100;
  broke_protocol("it wrote what is no message: " + said.error() + ": " + line->substr(0, most) +
                 (line->size() > most ? " ..." : ""));
}

std::vector<std::vector<std::byte>> bridge::read_attachments(const message& said) {
  std::vector<std::vector<std::byte>> all;
  for (const message::announced& each : said.attachments) {
    auto bytes = in_->bytes(each.size);
    if (!bytes) on_end_of_input(bytes.error());
    all.push_back(*std::move(bytes));
  }
  return all;
}

void bridge::report_memory() {
  if (const auto bytes = base::private_memory(child_.pid, 0)) this_worker::report_memory(*bytes);
}

// -----------------------------------------------------------------------------------------------------------
// the end

// Its owner ends this worker where it takes too long.
void bridge::end() {
  is_ending_.store(true, std::memory_order_relaxed);
  if (plan_.last_signal != 0) pass_on(plan_.last_signal);
  if (plan_.descriptor != 0)
    ::shutdown(to_.get(), SHUT_WR);
  else
    to_.reset();
  while (!base::wait_until_dead(child_.pidfd.get(), std::chrono::hours(1))) {}
  signalled.store(-1, std::memory_order_relaxed);
  static_cast<void>(reap(child_, std::chrono::milliseconds(0)));
}

void bridge::on_end_of_input(line_end why) {
  if (why == line_end::too_long)
    broke_protocol("it wrote a line longer than max_line, " + std::to_string(plan_.max_line) + " bytes");
  program_ended(why == line_end::cut_off);
}

// While it is told to end, the main thread waits for it.
void bridge::leave_it_to_end() const {
  while (is_ending_.load(std::memory_order_relaxed)) ::pause();
}

void bridge::program_ended(bool in_a_message) {
  leave_it_to_end();
  if (!base::wait_until_dead(child_.pidfd.get(), last_patience))
    broke_protocol("it closed its output and did not end");
  signalled.store(-1, std::memory_order_relaxed);
  const int status = reap(child_, std::chrono::milliseconds(0));
  std::string why = "its program " + title_ + " " + how_it_ended(status);
  if (!has_begun_) why += " before it said that it is ready";
  if (in_a_message) why += ", in the middle of a message";
  worker::tell_ending(why);
  end_like(status);
}

void bridge::broke_protocol(const std::string& what) {
  leave_it_to_end();
  worker::tell_broken("its program " + title_ + " broke the protocol: " + base::printable(what));
  (void)base::send_signal(child_.pidfd.get(), SIGKILL);
  ::raise(SIGKILL);
  ::_exit(1);
}

}  // namespace muster::host
