// SPDX-License-Identifier: MIT
//
// A program that owns a pool of four workers and will be killed, or leaves without a word:
// `doomed_owner <mode> <directory for probes>`.
//   idle    its workers have nothing to do
//   busy    its workers spin, each with a child and a daemon of its own
//   starting its workers are started all the time, and die
//   watched as busy, and a child of its own, no worker, has a copy of all its descriptors
//   leaves  as busy, and exits at SIGUSR1 without stopping the pool
// Writes one character when everything runs, then waits for its end.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

void spin_with_family(std::string probe) {
  if (::fork() == 0) wait_for_ever();
  if (::fork() == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    ::close(::open(probe.c_str(), O_CREAT | O_WRONLY, 0600));
    wait_for_ever();
  }
  for (volatile unsigned spins = 0;;) spins = spins + 1;
}

int leave() { ::_exit(1); }

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  if (argc < 3) return 2;
  const std::string mode = argv[1], probes = argv[2];
  ::signal(SIGUSR1, [](int) { ::_exit(0); });
  if (mode == "starting") {
    muster::process_pool pool({.workers = {4},
                               .restart = {.first = 0ns, .max = 0ns},
                               .worker_stderr = muster::worker_stderr::keep});
    for (bool told = false;;) {
      auto f = pool.submit(leave);
      f.wait();
      if (!std::exchange(told, true)) (void)!::write(1, ".", 1);
    }
  }
  muster::process_pool pool({.workers = {4}});
  pool.start();
  for (int i = 0; i < 4 && mode != "idle"; ++i) pool.post(spin_with_family, probes + std::to_string(i));
  for (int i = 0; i < 4 && mode != "idle"; ++i)
    while (::access((probes + std::to_string(i)).c_str(), F_OK) != 0) ::usleep(1'000);
  if (mode == "watched" && ::fork() == 0) {
    // Whoever looks for workers by what their owner's environment had shall not find this one.
    for (char** each = environ; *each != nullptr; ++each) std::fill_n(*each, std::strlen(*each), '-');
    (void)!::write(1, ".", 1);
    wait_for_ever();
  }
  if (mode != "watched") (void)!::write(1, ".", 1);
  wait_for_ever();
}
