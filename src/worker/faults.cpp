// SPDX-License-Identifier: MIT
#include "worker/faults.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace muster::worker {

namespace {

std::vector<fault>& orders() {
  static std::vector<fault> all;
  return all;
}

// Touches what it takes, since memory that nobody has written to is not there yet. It has a limit: the owner
// accepts this fault only with one.
void exhaust_memory() {
  constexpr std::size_t part = std::size_t{1} << 20U;
  while (void* more = std::malloc(part)) std::memset(more, 1, part);
  std::abort();
}

void sleep_for(std::chrono::nanoseconds pause) { std::this_thread::sleep_for(pause); }

// To the thread that is at this step, which gets no further then; one sent to the process may be taken by
// another thread. That is right where this thread leaves the signal to others.
void send_itself(int signal) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  if (::sigismember(&blocked, signal) == 1)
    ::kill(::getpid(), signal);
  else
    ::raise(signal);
}

// False: drop.
bool carry_out(const fault& what) {
  switch (what.action) {
    case fault_action::raise: send_itself(what.number); return true;
    case fault_action::exit: ::_exit(what.number);
    case fault_action::exhaust_memory: exhaust_memory(); return true;
    case fault_action::delay: sleep_for(what.pause); return true;
    case fault_action::hang:
      for (;;) ::pause();
    case fault_action::drop: return false;
  }
  return true;
}

}  // namespace

void faults::order(std::vector<fault> ordered) {
  orders() = std::move(ordered);
  are_ordered = !orders().empty();
}

bool faults::strike(fault_step step) {
  static std::array<std::atomic<std::uint32_t>, fault_steps> times{};
  const std::uint32_t time = ++times[static_cast<std::size_t>(step)];
  bool send = true;
  for (const fault& each : orders())
    if (each.at == step && (each.nth == 0 || each.nth == time)) send = carry_out(each) && send;
  return send;
}

}  // namespace muster::worker
