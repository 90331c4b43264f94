// SPDX-License-Identifier: MIT
#pragma once

// The user's functions that a worker process runs beside its calls: before the first of them, and at health
// checks.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "ipc/messages.hpp"
#include "module/function_key.hpp"

namespace muster::worker {

class hooks {
public:
  hooks(const ipc::loop_orders& orders, module::resolver& functions, int socket, unsigned slot)
      : orders_(orders), functions_(functions), socket_(socket), slot_(slot) {}

  // Init, then the canary. False: the owner was told why this worker does not come up.
  bool initialise();
  // The health check; the owner is told once where it is not ok.
  void check();
  // How often the keep-alive hook runs while the worker is idle; none: there is none.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> keep_alive_every() const {
    if (orders_.keep_alive == 0) return std::nullopt;
    return std::chrono::nanoseconds(orders_.keep_alive_every);
  }
  // What these throw is told on standard error and goes no further.
  void keep_alive() { run_beside("keep-alive", orders_.keep_alive); }
  void close() { run_beside("close", orders_.close); }
  // A handler of the user's for the signal by which workers are ended may clean up at the end too; it may
  // also end us.
  void give_last_signal() const;

private:
  bool run_first(const std::string& what, std::uint64_t key);
  void run_beside(const char* which, std::uint64_t key);
  std::string check_health();

  const ipc::loop_orders& orders_;
  module::resolver& functions_;
  const int socket_;
  const unsigned slot_;
  bool told_unwell_ = false;
};

}  // namespace muster::worker
