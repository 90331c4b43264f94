// SPDX-License-Identifier: MIT
#include "process/early_errors.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/standard_error.hpp"

namespace muster::process {

namespace {

constexpr std::size_t longest_line = 1'000;

// While it lives, a standard error that nobody reads ends nobody.
class without_sigpipe {
public:
  without_sigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~without_sigpipe() {
    const timespec none = {};
    if (::sigismember(&before_, SIGPIPE) == 0) static_cast<void>(::sigtimedwait(&pipe_, nullptr, &none));
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  without_sigpipe(const without_sigpipe&) = delete;

private:
  sigset_t pipe_{}, before_{};
};

}  // namespace

std::expected<early_errors, base::os_error> early_errors::open() {
  const base::file_descriptor made(::memfd_create("muster-early-errors", MFD_CLOEXEC));
  if (!made) return std::unexpected(base::last_os_error("memfd_create"));
  ::fcntl(made.get(), F_SETFL, O_APPEND);  // the program may have children that write too
  base::file_descriptor file(::fcntl(made.get(), F_DUPFD_CLOEXEC, standard_error_of_a_run_zygote + 1));
  if (!file) return std::unexpected(base::last_os_error("fcntl(F_DUPFD_CLOEXEC)"));
  return early_errors(std::move(file));
}

std::string early_errors::pass_on() const {
  const without_sigpipe quietly;
  base::standard_error ours;
  std::string last;
  std::array<char, 4'096> part;
  off_t at = 0;
  for (ssize_t size = 0; (size = ::pread(file_.get(), part.data(), part.size(), at)) > 0; at += size) {
    ours.write({part.data(), static_cast<std::size_t>(size)});
    last.append(part.data(), static_cast<std::size_t>(size));
    if (last.size() > longest_line) last.erase(0, last.size() - longest_line);
  }
  while (!last.empty() && last.back() == '\n') last.pop_back();
  std::ranges::replace(last, '\n', ' ');
  return last;
}

}  // namespace muster::process
