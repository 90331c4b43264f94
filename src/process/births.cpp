// SPDX-License-Identifier: MIT
#include "process/births.hpp"

#include <chrono>
#include <csignal>
#include <span>

#include "ipc/messages.hpp"

namespace muster::process {

namespace {

ipc::resource_limits limits_of(const limit_options& options) {
  ipc::resource_limits limits;
  limits.open_files = options.open_files;
  limits.file_bytes = options.file_size;
  limits.processes = options.processes;
  if (options.cpu_time)
    limits.cpu_seconds =
        static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(*options.cpu_time).count());
  limits.core_dumps = options.core_dumps;
  return limits;
}

}  // namespace

ipc::worker_birth birth_of(const worker_settings& settings, engine::worker_id id) {
  const process_options& options = settings.options;
  ipc::worker_birth birth;
  birth.slot = id.slot;
  birth.generation = id.generation;
  birth.pool = options.name.substr(0, 10);
  birth.contained = options.isolation == isolation::contain;
  birth.environment.pass_all = !birth.contained;
  birth.environment.pass = options.env.pass;
  birth.environment.set = options.env.set;
  if (!options.cwd.empty()) birth.directory = options.cwd;
  birth.arguments = options.args;
  birth.limits = limits_of(options.limits);
  birth.nice = options.limits.nice;
  if (!options.cpus.empty()) birth.cpu = options.cpus[id.slot % options.cpus.size()];
  for (const fault& each : options.faults)
    if (each.slot.value_or(id.slot) == id.slot && id.generation <= each.generations.value_or(id.generation))
      birth.faults.push_back(each);
  ipc::loop_orders orders{.init = settings.init,
                          .canary = settings.canary,
                          .check = settings.check,
                          .close = settings.close,
                          .keep_alive = settings.keep_alive,
                          .keep_alive_every = options.hooks.keep_alive_every.count()};
  orders.spin = options.spin.count();
  orders.at_once = static_cast<std::uint32_t>(options.workers.at_once);
  if (!options.stop.empty() && options.stop.front().signal != SIGKILL)
    orders.last_signal = options.stop.front().signal;
  const auto bytes = std::as_bytes(std::span(&orders, 1));
  birth.init_call.assign(bytes.begin(), bytes.end());
  return birth;
}

}  // namespace muster::process
