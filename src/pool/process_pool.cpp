// SPDX-License-Identifier: MIT
#include <muster/init.hpp>
#include <muster/pool.hpp>

#include "engine/engine.hpp"
#include "ipc/arena.hpp"
#include "ipc/layout.hpp"
#include "pool/check_options.hpp"
#include "process/memory_limit.hpp"
#include "process/process_crew.hpp"
#include "process/zygote.hpp"
#include "worker/setup.hpp"
#include "worker/worker.hpp"

namespace muster {

void init(int, char**) { init(); }

void init() {
  const auto role =
      process::initialise({.stand_by = worker::stand_by, .set_up = worker::set_up, .main = worker::run});
  if (!role) throw not_started("worker processes cannot be made: " + role.error().text());
}

const std::vector<std::string>& worker_arguments() { return worker::arguments(); }

process_pool::process_pool(process_options options) : process_pool(std::move(options), nullptr) {}

process_pool::process_pool(process_options options, change_adapter adapt) : adapt_(std::move(adapt)) {
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
  crew_ = crew.get();
  names_ = &crew->names();
  settings_ = options;
  auto memory = std::make_shared<ipc::arena>(options.arena, options.name, options.argument_memory);
  crew->lend_from(memory);
  arguments_ = memory->arguments();
  adopt(std::make_unique<engine::engine>(chosen, std::move(crew), std::make_shared<base::steady_clock>()),
        options.close, options.ready_timeout, options.name, std::move(memory));
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

static_assert(detail::largest_in_ring == ipc::ring_payload_limit<ipc::standard_sizes>);

// Without a copy where they are large.
void process_pool::take_over(detail::bytes& to, writer& arguments) {
  const auto content = arguments.bytes();
  if (content.size() <= detail::largest_in_ring)
    to.assign(content);
  else if (arguments.home())
    to.share(arguments.home(), content.data(), content.size());
  else
    to.adopt(arguments.release(), content.size());
}

namespace {
// Throws invalid_options.
process_options changed(const process_options& before, const worker_changes& changes) {
  process_options wanted = before;
  if (changes.cwd) wanted.cwd = *changes.cwd;
  if (changes.args) wanted.args = *changes.args;
  if (changes.env) wanted.env = *changes.env;
  if (changes.init) wanted.init = *changes.init;
  if (changes.limits) wanted.limits = *changes.limits;
  pool::check_changes(before, wanted);
  return wanted;
}
}  // namespace

void process_pool::start(const worker_changes& given) {
  {
    worker_changes changes = given;
    if (adapt_) adapt_(changes, {});
    const std::lock_guard one_at_a_time(recycling_);
    process_options wanted = changed(settings_, changes);
    const engine::edition added = crew_->add_edition(wanted, nullptr);
    if (!start_as(added))
      throw invalid_options(
          "the pool '" + name() +
          "' is started, and start cannot change its workers; call recycle with the changes, "
          "or stop first");
    crew_->keep(added);
    settings_ = std::move(wanted);
  }
  wait_ready();
}

// One at a time: what is changed is what the one before has left.
recycle_report process_pool::recycle_changed(std::optional<unsigned> slot, const worker_changes& given,
                                             const recycle_options& options) {
  worker_changes changes = given;
  if (adapt_) adapt_(changes, options);
  const std::lock_guard one_at_a_time(recycling_);
  process_options wanted = changed(settings_, changes);
  pool::check(options, name());
  const engine::edition added = crew_->add_edition(wanted, options.canary.get());
  recycle_report report = recycle_workers(slot, added, options);
  if (crew_->in_force() == added) settings_ = std::move(wanted);
  return report;
}

}  // namespace muster
