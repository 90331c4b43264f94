// SPDX-License-Identifier: MIT
#include "host/one_shot.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stop_token>
#include <system_error>

#include <muster/error.hpp>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"
#include "base/signal_text.hpp"
#include "base/text_tail.hpp"
#include "host/child.hpp"

namespace muster::host {
namespace {

std::string title_of(const std::vector<std::string>& words) {
  return plan{.command = words, .module = {}, .base = {}, .signals = {}}.title();
}

// One of its outputs: the last of what comes.
class collected {
public:
  explicit collected(std::size_t keep) : tail_(keep) {}

  // What it writes to. The reading end does not block.
  base::file_descriptor open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    from_.reset(ends[0]);
    ::fcntl(from_.get(), F_SETFL, O_NONBLOCK);
    return base::file_descriptor(ends[1]);
  }
  // Below 0 once it is closed.
  [[nodiscard]] int descriptor() const { return from_.get(); }

  // All that is there now.
  void read() {
    std::array<char, 64U << 10U> buffer;
    while (from_) {
      const ssize_t got = ::read(from_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return from_.reset();
      tail_.add({buffer.data(), static_cast<std::size_t>(got)});
    }
  }
  [[nodiscard]] const base::text_tail& tail() const { return tail_; }

private:
  base::file_descriptor from_;
  base::text_tail tail_;
};

}  // namespace

program_result run_once(context& about, const plan& what, const std::vector<std::string>& words) {
  collected out(what.keep);
  collected err(what.keep);
  base::file_descriptor to_out = out.open();
  base::file_descriptor to_err = err.open();
  const base::file_descriptor stopped(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopped) throw std::system_error(errno, std::generic_category(), "eventfd");
  auto started = start(words, {{to_out.get(), STDOUT_FILENO}, {to_err.get(), STDERR_FILENO}}, true);
  if (!started)
    throw invalid_call("the command " + title_of(words) + " could not be started: " + started.error());
  const child self = std::move(*started);
  to_out.reset();
  to_err.reset();
  const std::stop_callback on_stop(about.stop(), [&stopped] { (void)::eventfd_write(stopped.get(), 1); });

  for (bool is_told = false, has_ended = false; !has_ended;) {
    std::array<pollfd, 4> seen = {{{.fd = out.descriptor(), .events = POLLIN, .revents = 0},
                                   {.fd = err.descriptor(), .events = POLLIN, .revents = 0},
                                   {.fd = self.pidfd.get(), .events = POLLIN, .revents = 0},
                                   {.fd = is_told ? -1 : stopped.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(seen.data(), seen.size(), -1) < 0) continue;  // EINTR
    has_ended = seen[2].revents != 0;
    out.read();
    err.read();
    if (seen[3].revents != 0) {
      is_told = true;
      ::kill(-self.pid, SIGTERM);
    }
  }
  // Not reaped yet, so the number of its group is still its own.
  ::kill(-self.pid, SIGKILL);
  const int status = reap(self, std::chrono::milliseconds(0));
  out.read();
  err.read();

  program_result result;
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  result.out = out.tail().text();
  result.err = err.tail().text();
  result.out_dropped = out.tail().dropped();
  result.err_dropped = err.tail().dropped();
  return result;
}

program_result checked(program_result result, const plan& what, const std::vector<std::string>& words) {
  if (!what.checks || result.exit_code == 0) return result;
  const std::string type = result.signal ? "signal " + base::signal_name(*result.signal)
                                         : "exit code " + std::to_string(result.exit_code);
  constexpr std::size_t most = 4'096;
  std::string& said = what.kind == kind::command ? result.err : result.out;
  if (said.size() > most) said.erase(0, said.size() - most);
  while (said.ends_with('\n')) said.pop_back();
  throw worker_error(type, title_of(words) + (said.empty() ? "" : ": " + said), "");
}

}  // namespace muster::host
