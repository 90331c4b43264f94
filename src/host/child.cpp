// SPDX-License-Identifier: MIT
#include "host/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "base/os_error.hpp"
#include "base/pidfd.hpp"
#include "base/signal_text.hpp"

namespace muster::host {
namespace {

// In the new process, where nothing may be called that is not safe there: it has the worker's memory, and the
// worker may have threads. Ends in the program, or tells `report` why not.
[[noreturn]] void become(char* const* words, const std::vector<placement>& placements, bool own_group,
                         pid_t parent, int report) {
  const auto fail = [report](int code) {
    (void)!::write(report, &code, sizeof code);
    ::_exit(127);
  };
  if (own_group && ::setpgid(0, 0) != 0) fail(errno);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(errno);
  if (::getppid() != parent) ::_exit(127);  // the worker died before the line above
  // None of the sources is a target: see start.
  for (const placement& each : placements)
    if (::dup2(each.from, each.to) < 0) fail(errno);
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &usual, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(words[0], words);
  fail(errno);
  ::_exit(127);
}

// The new process borrows our memory until it becomes the program: to copy the tables of a worker's memory
// costs as much as the start of a small program. No handler of ours may run in it, so no signal comes
// meanwhile.
[[gnu::noinline]] pid_t become_in_child(char* const* words, const std::vector<placement>& placements,
                                        bool own_group, int report) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = ::getpid();
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) become(words, placements, own_group, parent, report);
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = code;
  return pid;
}

int most_target(const std::vector<placement>& placements) {
  int most = 2;
  for (const placement& each : placements) most = std::max(most, each.to);
  return most;
}

}  // namespace

std::expected<child, std::string> start(const std::vector<std::string>& command,
                                        const std::vector<placement>& placements, bool own_group) {
  const auto failed = [](const char* what) { return std::unexpected(base::last_os_error(what).text()); };
  // Sources are moved above all targets first, so that no dup2 closes what a later one needs.
  const int above = most_target(placements) + 1;
  std::vector<base::file_descriptor> moved;
  std::vector<placement> placed = placements;
  for (placement& each : placed) {
    moved.emplace_back(::fcntl(each.from, F_DUPFD_CLOEXEC, above));
    if (!moved.back()) return failed("place the descriptors");
    each.from = moved.back().get();
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("pipe2");
  base::file_descriptor reads(ends[0]);
  base::file_descriptor writes(::fcntl(ends[1], F_DUPFD_CLOEXEC, above));
  ::close(ends[1]);
  if (!writes) return failed("place the descriptors");
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  const pid_t pid = become_in_child(words.data(), placed, own_group, writes.get());
  if (pid < 0) return failed("vfork");
  writes.reset();
  int code = 0;
  ssize_t got = 0;
  while ((got = ::read(reads.get(), &code, sizeof code)) < 0 && errno == EINTR) {}
  auto pidfd = base::open_pidfd(pid);
  if (got == sizeof code || !pidfd) {
    if (got == 0) ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return std::unexpected(got == 0 ? pidfd.error().text() : std::generic_category().message(code));
  }
  return child{.pid = pid, .pidfd = std::move(*pidfd)};
}

int reap(const child& who, std::chrono::milliseconds patience) {
  if (!base::wait_until_dead(who.pidfd.get(), patience)) (void)base::send_signal(who.pidfd.get(), SIGKILL);
  int status = 0;
  while (::waitpid(who.pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

std::string how_it_ended(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exited with code {}", WEXITSTATUS(wait_status));
  return base::ended_by(WTERMSIG(wait_status));
}

}  // namespace muster::host
