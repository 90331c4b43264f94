// SPDX-License-Identifier: MIT
#include <muster/init.hpp>
#include <muster/pool.hpp>

#include "engine/engine.hpp"
#include "pool/check_options.hpp"
#include "process/memory_limit.hpp"
#include "process/process_crew.hpp"
#include "process/zygote.hpp"
#include "worker/setup.hpp"
#include "worker/worker.hpp"

namespace muster {

void init(int, char**) { init(); }

void init() {
  const auto role = process::initialise({.set_up = worker::set_up, .main = worker::run});
  if (!role) throw not_started("worker processes cannot be made: " + role.error().text());
}

process_pool::process_pool(process_options options) {
  const engine::settings chosen = pool::check(options);
  if (process::is_worker())
    throw not_started(
        "a process pool cannot be made inside a worker process; make it in the program that owns the "
        "workers");
  if (!process::is_initialised() && options.program.empty())
    throw not_started(
        "muster::init was not called; call muster::init(argc, argv) first thing in main, because worker "
        "processes begin there");
  if (options.limits.memory) process::remove_leftover_cgroups();
  auto crew = std::make_unique<process::process_crew>(options);
  names_ = &crew->names();
  adopt(std::make_unique<engine::engine>(chosen, std::move(crew), std::make_shared<base::steady_clock>()),
        options.close, options.ready_timeout, options.name);
  if (options.start) start_now();
}

void process_pool::name_code(detail::crossing_call& call, const void* thunk, const void* target) {
  const auto thunk_key = names_->key_of(thunk);
  const auto target_key = names_->key_of(target);
  if (!thunk_key || !target_key)
    throw invalid_call("this function cannot be called in another process: " +
                       (thunk_key ? target_key.error() : thunk_key.error()));
  call.thunk = thunk_key->value;
  call.target = target_key->value;
}

}  // namespace muster
