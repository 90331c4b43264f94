// SPDX-License-Identifier: MIT
#include "worker/hooks.hpp"

#include <signal.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <utility>

#include "worker/mail.hpp"

namespace muster::worker {

bool hooks::initialise() {
  return run_first("init function", orders_.init) && run_first("canary", orders_.canary);
}

// What it throws is the reason why this worker does not come up.
bool hooks::run_first(const std::string& what, std::uint64_t key) {
  if (key == 0) return true;
  try {
    const auto address = functions_.address_of({key});
    if (!address) throw std::runtime_error(address.error());
    reinterpret_cast<void (*)()>(const_cast<void*>(*address))();
    return true;
  } catch (const std::exception& e) {
    tell_owner(socket_, {.kind = ipc::control_kind::init_failed}, "its " + what + " threw: " + e.what());
  } catch (...) {
    tell_owner(socket_, {.kind = ipc::control_kind::init_failed},
               "its " + what + " threw something that is no std::exception");
  }
  return false;
}

// A function of the user's beside the tasks.
void hooks::run_beside(const char* which, std::uint64_t key) {
  if (key == 0) return;
  std::string what;
  try {
    const auto address = functions_.address_of({key});
    if (!address) throw std::runtime_error(address.error());
    return reinterpret_cast<void (*)()>(const_cast<void*>(*address))();
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
    what = "something that is no std::exception";
  }
  std::fprintf(stderr, "muster: worker %u: its %s hook threw: %s\n", slot_, which, what.c_str());
}

void hooks::check() {
  if (const std::string wrong = check_health(); !wrong.empty() && !std::exchange(told_unwell_, true))
    tell_owner(socket_, {.kind = ipc::control_kind::unwell}, wrong);
}

// What is wrong; empty: nothing.
std::string hooks::check_health() {
  if (orders_.check == 0) return {};
  try {
    const auto address = functions_.address_of({orders_.check});
    if (!address) return "its health check cannot be called: " + address.error();
    const bool is_well = reinterpret_cast<bool (*)()>(const_cast<void*>(*address))();
    return is_well ? std::string() : "its health check was not ok";
  } catch (const std::exception& e) {
    return std::string("its health check threw: ") + e.what();
  } catch (...) {
    return "its health check threw something that is no std::exception";
  }
}

void hooks::give_last_signal() const {
  struct sigaction now = {};
  const int signal = orders_.last_signal;
  if (signal == 0 || ::sigaction(signal, nullptr, &now) != 0) return;
  const bool is_handled =
      (now.sa_flags & SA_SIGINFO) != 0 || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN);
  if (is_handled) (void)::raise(signal);
}

}  // namespace muster::worker
