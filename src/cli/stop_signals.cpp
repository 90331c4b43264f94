// SPDX-License-Identifier: MIT
#include "cli/stop_signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace muster::cli {

stop_signals::stop_signals() {
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGINT);
  sigaddset(&both, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &both, nullptr);
  descriptor_ = ::signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

stop_signals::~stop_signals() { ::close(descriptor_); }

void stop_signals::read() {
  signalfd_siginfo one = {};
  while (::read(descriptor_, &one, sizeof one) == static_cast<ssize_t>(sizeof one)) ++count_;
}

}  // namespace muster::cli
