// SPDX-License-Identifier: MIT
#include "worker/output_capture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <utility>

namespace muster::worker {

namespace {

void write_out_what_is_buffered() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

// Empty where a task has closed the standard one, which then stays closed afterwards.
base::file_descriptor copy_of(int standard) {
  return base::file_descriptor(::fcntl(standard, F_DUPFD_CLOEXEC, 3));
}

void restore(int standard, base::file_descriptor& usual) {
  if (usual)
    ::dup2(usual.get(), standard);
  else
    ::close(standard);
  usual.reset();
}

}  // namespace

bool output_capture::begin(std::vector<base::file_descriptor>& pipes) {
  if (pipes.size() < 2) return false;
  write_out_what_is_buffered();
  usual_out_ = copy_of(STDOUT_FILENO);
  usual_err_ = copy_of(STDERR_FILENO);
  ::dup2(pipes[0].get(), STDOUT_FILENO);
  ::dup2(pipes[1].get(), STDERR_FILENO);
  pipes.erase(pipes.begin(), pipes.begin() + 2);
  has_begun_ = true;
  return true;
}

void output_capture::end() {
  if (!std::exchange(has_begun_, false)) return;
  write_out_what_is_buffered();
  restore(STDOUT_FILENO, usual_out_);
  restore(STDERR_FILENO, usual_err_);
}

}  // namespace muster::worker
