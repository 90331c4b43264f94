// SPDX-License-Identifier: MIT
//
// Each trial makes workers do what muster promises to cope with, and looks whether it did.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <muster/pool.hpp>

#include "cli/doctor.hpp"

namespace muster::cli {
namespace {

constexpr auto patience = 5s;          // of a trial
constexpr auto promised_end = 2s;      // of what a worker leaves behind
constexpr auto between_looks = 2'000;  // microseconds

process_options one_worker() {
  return {.workers = {1},
          .env = {.pass = {"*"}},
          .worker_stderr = worker_stderr::keep,
          .close = {.on_destroy = on_destroy::cancel},
          .name = "doctor"};
}

/// The trial, or that it did not come to its end.
template <class Trial>
promise try_to(const char* name, Trial trial) {
  try {
    return trial();
  } catch (const std::exception& problem) {
    return {.name = name, .kept = false, .how = problem.what()};
  }
}

bool ends_in_time(int pid) {
  const auto until = std::chrono::steady_clock::now() + promised_end;
  while (::kill(pid, 0) == 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::usleep(between_looks);
  }
  return true;
}

// ---- what workers do

int tell_pid() { return ::getpid(); }

void crash() { ::raise(SIGSEGV); }

void end_by_force() { ::raise(SIGKILL); }

std::size_t take_memory(std::size_t bytes) {
  const std::string taken(bytes, 'x');
  return taken.size();
}

int start_a_process() {
  const int pid = ::fork();
  if (pid != 0) return pid;
  for (;;) ::pause();
}

/// In a session of its own, and with no parent that knows it.
int start_a_daemon() {
  int ends[2];
  if (::pipe(ends) != 0) return 0;
  if (::fork() == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    const int self = ::getpid();
    if (::write(ends[1], &self, sizeof self) != sizeof self) ::_exit(1);
    for (;;) ::pause();
  }
  int pid = 0;
  if (::read(ends[0], &pid, sizeof pid) != sizeof pid) pid = 0;
  return pid;
}

// ---- trials

promise starts_workers() {
  process_options options = one_worker();
  options.ready_timeout = patience;
  options.start = false;
  process_pool pool(options);
  pool.on(event_kind::degraded, [](const event&) {});  // start says why
  pool.start();
  const int pid = pool.submit({.deadline = patience}, tell_pid).get();
  return {.name = "runs tasks in processes", .kept = pid != ::getpid(), .how = "forked from a zygote"};
}

promise limits_memory() {
  process_options options = one_worker();
  options.limits.memory = 64_MiB;
  process_pool pool(options);
  pool.start();
  bool was_met = false;
  try {
    (void)pool.submit({.deadline = patience}, take_memory, std::size_t{256_MiB}).get();
  } catch (const out_of_memory&) {
    was_met = true;
  }
  return judge_memory_limit(pool.stats().memory_limit_means, was_met);
}

promise explains_crashes() {
  process_pool pool(one_worker());
  try {
    pool.submit({.deadline = patience}, crash).get();
  } catch (const unexpected_exit& failed) {
    return judge_explanation(failed.death());
  }
  return {.name = "says where a worker crashed", .kept = false, .how = "the worker lives"};
}

promise ends_process_trees() {
  process_pool pool(one_worker());
  const int left = pool.submit({.deadline = patience}, start_a_process).get();
  static_cast<void>(pool.submit({.deadline = patience}, end_by_force));
  const bool gone = left > 0 && ends_in_time(left);
  return {.name = "ends what a dead worker had started",
          .kept = gone,
          .how = gone ? "by its process group" : fmt::format("process {} lives on", left)};
}

promise ends_daemons() {
  int left = 0;
  {
    process_pool pool(one_worker());
    left = pool.submit({.deadline = patience}, start_a_daemon).get();
  }
  const bool gone = left > 0 && ends_in_time(left);
  return {
      .name = "leaves no daemon behind",
      .kept = gone,
      .how = gone ? "the zygote is the subreaper of its workers" : fmt::format("process {} lives on", left)};
}

promise sees_memory() {
  process_pool pool(one_worker());
  const int pid = pool.submit({.deadline = patience}, tell_pid).get();
  std::string line;
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  bool found = false;
  while (std::getline(file, line)) found |= line.starts_with("Private_Dirty:");
  return judge_memory_watch(found);
}

}  // namespace

std::vector<promise> try_promises() {
  struct trial {
    const char* name;
    promise (*run)();
  };
  constexpr trial trials[] = {
      {"runs tasks in processes", starts_workers},
      {"limits a worker's memory", limits_memory},
      {"sees how much memory is a worker's own", sees_memory},
      {"says where a worker crashed", explains_crashes},
      {"ends what a dead worker had started", ends_process_trees},
      {"leaves no daemon behind", ends_daemons},
  };
  std::vector<promise> results;
  for (const auto& [name, run] : trials) {
    if (!results.empty() && !results.front().kept)  // each would take its patience to say the same
      results.push_back({.name = name, .how = "was not tried, since no task runs"});
    else
      results.push_back(try_to(name, run));
  }
  return results;
}

}  // namespace muster::cli
