// SPDX-License-Identifier: MIT
#include <muster/presets.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <utility>

#include <muster/error.hpp>

#include "pool/usable_cpus.hpp"

namespace muster::presets {

namespace {

int cpus_or_usable(int cpus) { return cpus > 0 ? cpus : pool::usable_cpus(); }

// The same for both kinds of pool.
template <class F>
preset for_both(std::string_view name, F set) {
  preset made{.name = name};
  set(made.threads);
  set(made.processes);
  return made;
}

preset of_size(std::string_view name, int workers) {
  return for_both(name, [workers](auto& o) { o.workers = {workers}; });
}

}  // namespace

preset cpu(int cpus) { return of_size("cpu", cpus_or_usable(cpus)); }
preset cpu_but_one(int cpus) { return of_size("cpu_but_one", std::max(1, cpus_or_usable(cpus) - 1)); }
preset io(int cpus) { return of_size("io", 2 * cpus_or_usable(cpus)); }
preset io_heavy(int cpus) { return of_size("io_heavy", 10 * cpus_or_usable(cpus)); }
preset mixed(int cpus) { return of_size("mixed", 2 * cpus_or_usable(cpus)); }
preset short_tasks(int cpus) { return of_size("short_tasks", std::max(2, cpus_or_usable(cpus) / 2)); }

preset memory(int cpus) {
  preset made = of_size("memory", std::max(2, cpus_or_usable(cpus) / 2));
  made.processes.limits.memory_soft = 512_MiB;
  return made;
}

preset production(int cpus) {
  preset made = for_both("production", [workers = cpus_or_usable(cpus)](auto& o) {
    o.workers = {workers};
    o.queue.capacity = 1'024;
    o.queue.when_full = when_full::wait;
    o.queue.patience = 30s;
    o.grace = 1s;
    o.close.on_destroy = on_destroy::drain;
    o.close.patience = 30s;
    o.on_post_error = on_post_error::report;
  });
  process_options& o = made.processes;
  o.isolation = isolation::contain;
  o.limits.tasks = 100'000;
  o.limits.age = 24h;
  o.limits.jitter = 0.2;
  o.stop = {{.signal = SIGTERM, .patience = 10s}};
  o.health.interval = 3s;
  o.health.failures = 3;
  o.ready_timeout = 10s;
  o.restart = {.first = 100ms, .max = 30s, .jitter = jitter::equal};
  made.tasks.run_timeout = 30s;
  return made;
}

preset process_pooling() {
  preset made = for_both("process_pooling", [](auto& o) {
    o.workers = {.min = 2, .max = 10, .idle_timeout = 60s};
    o.scaling = {.up_at = 0.8, .down_at = 0.2, .check_every = 5s};
    o.queue.capacity = std::nullopt;
    o.close.patience = 30s;
  });
  made.processes.retry.attempts = 4;  // once, and three times again
  made.processes.retry.on_crash = true;
  made.processes.limits.memory_soft = 512_MiB;
  made.tasks.run_timeout = 30s;
  return made;
}

preset worker_pools() {
  preset made = for_both("worker_pools", [](auto& o) {
    o.workers = {4};
    o.queue.capacity = std::nullopt;
  });
  made.tasks.run_timeout = 30s;
  return made;
}

preset process_manager(int cpus) {
  preset made = for_both("process_manager", [workers = cpus_or_usable(cpus)](auto& o) {
    o.workers = {workers};
    o.queue.capacity = 1'000;
    o.queue.when_full = when_full::reject;
    o.breaker = breaker_options{.failures = 5, .open_for = 60s};
    o.close.patience = 30s;
  });
  made.processes.health.interval = 3s;
  made.processes.health.failures = 3;
  made.processes.restart = {
      .first = 1s, .max = 30s, .jitter = jitter::none, .limit = 3, .window = 60s, .cool_down = 60s};
  return made;
}

preset node_worker_pool() {
  preset made = for_both("node_worker_pool", [](auto& o) {
    o.workers = {.min = 0, .max = 3, .idle_timeout = 10s};
    o.strategy = strategy::fewest;
    o.queue.capacity = std::nullopt;
    o.close.patience = 10s;
  });
  made.processes.ready_timeout = 1s;
  made.processes.stop = {{.signal = SIGTERM, .patience = 10s}};
  return made;
}

preset go_worker_pool(int cpus) {
  const int workers = cpus_or_usable(cpus);
  return for_both("go_worker_pool", [workers](auto& o) {
    o.workers = {workers};
    o.queue.capacity = static_cast<std::size_t>(2 * workers);
    o.queue.when_full = when_full::reject;
    o.retry.attempts = 4;
    o.retry.on_error = true;
    o.retry.backoff = {.first = 2s, .max = 1h, .jitter = jitter::none};
    o.close.patience = 5s;
  });
}

// ----------------------------------------------------------------------------------------------------------

namespace {
using maker = preset (*)();
constexpr std::array<std::pair<std::string_view, maker>, 13> all = {{
    {"cpu", [] { return cpu(); }},
    {"cpu_but_one", [] { return cpu_but_one(); }},
    {"io", [] { return io(); }},
    {"io_heavy", [] { return io_heavy(); }},
    {"mixed", [] { return mixed(); }},
    {"memory", [] { return memory(); }},
    {"short_tasks", [] { return short_tasks(); }},
    {"production", [] { return production(); }},
    {"process_pooling", [] { return process_pooling(); }},
    {"worker_pools", [] { return worker_pools(); }},
    {"process_manager", [] { return process_manager(); }},
    {"node_worker_pool", [] { return node_worker_pool(); }},
    {"go_worker_pool", [] { return go_worker_pool(); }},
}};
}  // namespace

std::vector<std::string_view> names() {
  std::vector<std::string_view> known;
  for (const auto& each : all) known.push_back(each.first);
  return known;
}

preset named(std::string_view name) {
  const auto* const found = std::ranges::find(all, name, &std::pair<std::string_view, maker>::first);
  if (found != all.end()) return found->second();
  std::string known;
  for (const auto& each : all) known += (known.empty() ? "" : ", ") + std::string(each.first);
  throw invalid_options("there is no preset '" + std::string(name) + "'; known: " + known);
}

}  // namespace muster::presets
