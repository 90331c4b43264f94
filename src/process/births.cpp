// SPDX-License-Identifier: MIT
#include "process/births.hpp"

#include <chrono>
#include <cstring>

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
  const ipc::first_calls first{.init = settings.init, .canary = settings.canary};
  birth.init_call.resize(sizeof(first));
  std::memcpy(birth.init_call.data(), &first, sizeof(first));
  return birth;
}

}  // namespace muster::process
