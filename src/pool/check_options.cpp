// SPDX-License-Identifier: MIT
#include "pool/check_options.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "options/check.hpp"
#include "options/text.hpp"
#include "policy/trace_text.hpp"
#include "pool/usable_cpus.hpp"

namespace muster::pool {

namespace {

using options::problems, options::show_duration, options::show_size;

// Ranges are held by options/check.hpp. What follows are the rules between options, and with the machine;
// each looks at its own part of them.

void rules_of(problems& bad, const std::string& where, const backoff_options& o) {
  if (o.max < o.first)
    bad.add(where + ".max", show_duration(o.max),
            fmt::format("must not be below {}.first ({})", where, show_duration(o.first)));
}

void rules_of(problems& bad, const std::string& where, const std::optional<breaker_options>& o) {
  if (o && !o->failures && !o->failure_rate)
    bad.add(where + ".failures", "std::nullopt", "set failures or failure_rate, or it never opens");
}

void rules_of(problems& bad, const limit_options& o) {
  if (o.memory_soft && o.memory && *o.memory_soft >= *o.memory && !bad.has("limits.memory_soft"))
    bad.add("limits.memory_soft", show_size(*o.memory_soft),
            fmt::format("must be below limits.memory ({}), at which a task fails", show_size(*o.memory)));
  rlimit own = {};
  if (o.open_files && getrlimit(RLIMIT_NOFILE, &own) == 0 && *o.open_files > own.rlim_max)
    bad.add(
        "limits.open_files", std::to_string(*o.open_files),
        fmt::format("is above the hard limit of this process ({}); lower it, or raise that", own.rlim_max));
}

void rules_of(problems& bad, const std::string& where, const fault& o, bool has_memory_limit) {
  if (o.action == fault_action::raise && (o.number < 1 || o.number > 64))
    bad.add(where + ".number", std::to_string(o.number), "a signal's range is 1..64");
  if (o.action == fault_action::exit && (o.number < 0 || o.number > 255))
    bad.add(where + ".number", std::to_string(o.number), "an exit code's range is 0..255");
  if (o.action == fault_action::delay && o.pause <= duration::zero())
    bad.add(where + ".pause", show_duration(o.pause), "must be above 0");
  if (o.action == fault_action::exhaust_memory && o.at == fault_step::born)
    bad.add(where + ".action", "exhaust_memory",
            "a worker has no limit yet when it is born; choose a later step");
  if (o.action == fault_action::exhaust_memory && !has_memory_limit)
    bad.add(where + ".action", "exhaust_memory",
            "needs limits.memory, or the machine's memory would be gone");
  if (o.action == fault_action::drop && !can_drop(o.at))
    bad.add(where + ".action", "drop",
            fmt::format("nothing is sent at {}; choose telling_ready, answering, sending_parcel or answered",
                        name(o.at)));
}

// Stopping a process does not end it, and one that goes on does not either.
bool can_end(int signal) {
  for (const int other : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT})
    if (signal == other) return false;
  return true;
}

void rules_of(problems& bad, const std::vector<stop_signal>& ladder) {
  for (std::size_t i = 0; i < ladder.size(); ++i) {
    const int signal = ladder[i].signal;
    const std::string name = fmt::format("stop[{}].signal", i), value = std::to_string(signal);
    if (signal < 1 || signal > 64 || signal == 32 || signal == 33)
      bad.add(name, value, "range 1..64, without 32 and 33, which the C library needs for itself");
    else if (!can_end(signal))
      bad.add(name, value, "such a signal ends nobody; usual are SIGTERM, SIGINT and SIGHUP");
    else if (signal == SIGRTMAX - 1)
      bad.add(name, value, "is reserved in workers; choose another one");
    else if (signal == SIGKILL && i + 1 < ladder.size())
      bad.add(name, value, "nothing can follow SIGKILL; make it the last or leave it out, it comes anyway");
    if (std::ranges::count(ladder.begin(), ladder.begin() + static_cast<std::ptrdiff_t>(i), signal,
                           &stop_signal::signal) > 0)
      bad.add(name, value, "each signal is sent once; lengthen the patience of the first instead");
  }
}

void rules_of(problems& bad, const health_options& o) {
  if (o.max_silence && !o.interval)
    bad.add("health.max_silence", show_duration(*o.max_silence), "needs health.interval, to be looked at");
  else if (o.max_silence && *o.max_silence < *o.interval)
    bad.add("health.max_silence", show_duration(*o.max_silence),
            "must not be below health.interval, at which it is looked at");
  if (o.check.get() != nullptr && !o.interval)
    bad.add("health.check", "a function", "needs health.interval, at which it is called");
}

void rules_of_isolation(problems& bad, const process_options& o) {
  if (o.isolation == isolation::none && o.env.pass != environment_options().pass)
    bad.add("env.pass", fmt::format("{} names", o.env.pass.size()),
            "isolation::none passes every variable on; leave it out, or choose isolation::contain");
}

void rules_of_lifetime(problems& bad, const process_options& o) {
  if (o.lifetime != lifetime::per_task) return;
  if (o.workers.at_once > 1)
    bad.add("workers.at_once", std::to_string(o.workers.at_once),
            "with lifetime::per_task every worker runs one task; leave it out");
  if (o.limits.tasks)
    bad.add("limits.tasks", std::to_string(*o.limits.tasks),
            "with lifetime::per_task every worker serves one task; leave it out");
  if (o.limits.memory_soft)
    bad.add("limits.memory_soft", show_size(*o.limits.memory_soft),
            "with lifetime::per_task no worker serves after its task; use limits.memory, or leave it out");
}

void rules_of(problems& bad, const throttle_options& o) {
  const double most = 100.0 * usable_cpus();
  if (o.percent && !(*o.percent > 0 && *o.percent <= most))
    bad.add(
        "throttle.percent", fmt::format("{}", *o.percent),
        fmt::format("above 0, at most {} here (100 for each usable CPU); std::nullopt for no limit", most));
}

void rules_of(problems& bad, const owner_memory_options& o) {
  if (!o.limit && (o.reject || o.shrink || o.on_pressure))
    bad.add("owner_memory.limit", "std::nullopt", "reject, shrink and on_pressure need a limit");
}

// What a worker process is born with.
void rules_of_birth(problems& bad, const process_options& o) {
  rules_of(bad, o.limits);
  rules_of_isolation(bad, o);
  rules_of_lifetime(bad, o);
  if (struct stat found = {}; !o.cwd.empty() && (stat(o.cwd.c_str(), &found) != 0 ||
                                                 !S_ISDIR(found.st_mode) || access(o.cwd.c_str(), X_OK) != 0))
    bad.add("cwd", o.cwd, "is not a directory that can be entered");
  for (const auto& name : o.env.pass)
    if (name.empty() || name.find('=') != std::string::npos || name.find('*') < name.size() - 1)
      bad.add("env.pass", "'" + name + "'",
              "a variable's name is not empty and holds no '='; a star can only be at its end");
  for (const auto& [name, value] : o.env.set)
    if (name.empty() || name.find('=') != std::string::npos)
      bad.add("env.set", "'" + name + "'", "a variable's name is not empty and holds no '='");
}

void rules_of(problems& bad, strategy how, const choose_options& o, int most_workers) {
  if (o.weights.size() > static_cast<std::size_t>(std::max(0, most_workers)))
    bad.add("choose.weights", fmt::format("{} of them", o.weights.size()),
            fmt::format("there are at most {} workers (workers.max); leave the others out", most_workers));
  else if (o.weights.size() == static_cast<std::size_t>(std::max(0, most_workers)) &&
           std::ranges::count(o.weights, 0) == std::ssize(o.weights))
    bad.add("choose.weights", "all 0", "no worker would ever be given a task; give one of them more");
  if (!o.weights.empty() && how != strategy::weighted)
    bad.add("choose.weights", fmt::format("{} of them", o.weights.size()),
            "go with strategy::weighted; choose that, or leave them out");
  if (o.chooser && how != strategy::pull)
    bad.add("choose.chooser", "a function",
            "it decides instead of a strategy; leave `strategy` as it is, or leave the chooser out");
}

// What a limit can do at a full queue, and what it cannot.
void rules_of_full(problems& bad, const queue_options& o) {
  const std::string_view how = options::name(o.when_full);
  if (o.patience && o.when_full != when_full::wait)
    bad.add("queue.patience", show_duration(*o.patience), "only goes with when_full::wait");
  if (o.capacity == std::size_t{0} && o.when_full == when_full::drop_oldest)
    bad.add("queue.when_full", how,
            "with capacity 0 nothing waits that could make room; choose drop_newest or reject");
  if (o.unsettled && (o.when_full == when_full::drop_oldest || o.when_full == when_full::caller_runs))
    bad.add("queue.when_full", how,
            "with queue.unsettled also what runs counts, which cannot make room; choose wait, reject or "
            "drop_newest");
  if (o.rate && o.when_full == when_full::caller_runs)
    bad.add("queue.when_full", how,
            "a submitter that runs its task waits for no token; leave queue.rate out, or choose wait");
}

void rules_of(problems& bad, const queue_options& o) {
  rules_of_full(bad, o);
  if (o.ageing && *o.ageing % 1ms != 0ns && !bad.has("queue.ageing"))
    bad.add("queue.ageing", show_duration(*o.ageing), "is not in whole milliseconds");
  for (std::size_t i = 0; i < o.keys.size(); ++i) {
    const std::string& key = o.keys[i].first;
    const std::string option = fmt::format("queue.keys[{}].first", i);
    if (key.empty() || key.size() > 256) bad.add(option, "'" + key + "'", "a key has 1 to 256 bytes");
    const auto before = o.keys.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(o.keys.begin(), before, [&key](const auto& other) { return other.first == key; }))
      bad.add(option, "'" + key + "'", "is there twice; keep one of them");
  }
}

void rules_of_watching(problems& bad, const report_options& report, const own_log_options& lines) {
  if (!report.every && report.hook)
    bad.add("report.hook", "a function", "needs report.every, at which it is called; 5s is usual");
  if (lines.tasks && (!lines.level || *lines.level > log_level::info) && !bad.has("own_log.level"))
    bad.add("own_log.tasks", "true", "its lines have the level info; set own_log.level to info or debug");
}

// The CPUs that this process may use.
void rules_of_cpus(problems& bad, const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0) return;  // more CPUs than fit: the system will say
  std::string all;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &usable))
      all += (all.empty() ? "" : ", ") + std::to_string(cpu);
  for (std::size_t i = 0; i < cpus.size(); ++i)
    if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE || !CPU_ISSET(static_cast<std::size_t>(cpus[i]), &usable))
      bad.add(fmt::format("cpus[{}]", i), std::to_string(cpus[i]),
              "is no CPU that this process may use; these are: " + all);
}

struct size {
  int min, max;
};

void rules_of(problems& bad, const scaling_options& o) {
  if (o.up_at && o.down_at && *o.down_at >= *o.up_at && !bad.has("scaling.down_at"))
    bad.add("scaling.down_at", fmt::format("{}", *o.down_at),
            fmt::format("must be below scaling.up_at ({}), or the pool would go to and fro", *o.up_at));
}

void rules_of_size(problems& bad, const size& s) {
  if (s.max < s.min && !bad.has("workers.max"))
    bad.add("workers.max", std::to_string(s.max),
            fmt::format("is below workers.min ({}); raise it or lower min", s.min));
}

size size_of(const worker_options& o, int default_min) {
  size s{o.min.value_or(std::min(default_min, o.max.value_or(default_min))), 0};
  s.max = o.max.value_or(o.min ? std::max(1, *o.min) : std::max(usable_cpus(), s.min));
  return s;
}

template <class Options>
engine::settings check_common(problems& bad, const Options& o, int default_min) {
  options::check_ranges(bad, o);
  const size s = size_of(o.workers, default_min);
  rules_of_size(bad, s);
  rules_of(bad, o.scaling);
  rules_of(bad, o.strategy, o.choose, s.max);
  rules_of(bad, o.queue);
  rules_of(bad, "retry.backoff", o.retry.backoff);
  rules_of(bad, "breaker", o.breaker);
  rules_of(bad, "breaker_per_label", o.breaker_per_label);
  rules_of_watching(bad, o.report, o.own_log);
  rules_of_cpus(bad, o.cpus);
  engine::settings chosen{
      .plan = {.min = s.min,
               .max = s.max,
               .idle_timeout = o.workers.idle_timeout,
               .grace = o.grace,
               .scaling = o.scaling},
      .queue = o.queue,
      .retry = o.retry,
      .on_post_error = o.on_post_error,
      .callbacks = o.callbacks,
      .log = o.log,
      .safeguards = {.breaker = o.breaker,
                     .breaker_per_label = o.breaker_per_label,
                     .dead_letters = o.dead_letters},
      .name = o.name,
  };
  for (std::uint32_t slot = 0; slot < o.choose.weights.size(); ++slot)
    if (o.choose.weights[slot] == 0) chosen.plan.never_chosen.push_back(slot);
  const std::uint32_t at_once = o.strategy == strategy::key ? engine::intake::any_number : 1;
  for (auto& [key, rules] : chosen.queue.keys) rules.at_once = rules.at_once.value_or(at_once);
  chosen.queue.each_key.at_once = chosen.queue.each_key.at_once.value_or(at_once);
  if (chosen.queue.capacity == queue_options::automatic)
    chosen.queue.capacity = 2 * static_cast<std::size_t>(s.max);
  chosen.watch = {.one_in = o.measure.one_in.value_or(0),
                  .own_log = o.own_log,
                  .metrics = o.metrics,
                  .on_report = o.report.hook};
  if (o.report.every)
    chosen.plan.report =
        engine::report_settings{.every = *o.report.every, .backing_up_at = o.report.backing_up_at};
  chosen.plan.seed = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return chosen;
}

}  // namespace

engine::settings check(const thread_options& o) {
  problems bad;
  engine::settings chosen = check_common(bad, o, usable_cpus());
  if (o.workers.at_once > 1)
    bad.add("workers.at_once", std::to_string(o.workers.at_once),
            "a thread runs one task; raise workers.max, or use a process_pool");
  options::sort_as_thread_options(bad);
  bad.throw_if_any(o.name);
  return chosen;
}

engine::settings check(const process_options& o) {
  problems bad;
  engine::settings chosen = check_common(bad, o, 1);
  if (o.queue.when_full == when_full::caller_runs)
    bad.add("queue.when_full", "caller_runs",
            "a process pool never runs a task in its owner; choose wait or reject, or a thread_pool");
  rules_of_birth(bad, o);
  rules_of(bad, o.stop);
  rules_of(bad, o.health);
  rules_of(bad, o.throttle);
  rules_of(bad, o.owner_memory);
  rules_of(bad, "restart", o.restart.backoff());
  for (std::size_t i = 0; i < o.faults.size(); ++i)
    rules_of(bad, fmt::format("faults[{}]", i), o.faults[i], o.limits.memory.has_value());
  if (!o.program.empty() && access(o.program.c_str(), X_OK) != 0)
    bad.add("program", o.program, "is not a program that can be run");
  options::sort_as_process_options(bad);
  bad.throw_if_any(o.name);
  chosen.plan.ready_timeout = o.ready_timeout;
  chosen.plan.restart = o.restart;
  chosen.plan.life = {.tasks = o.limits.tasks, .age = o.limits.age, .jitter = o.limits.jitter};
  chosen.plan.quarantine = o.quarantine;
  chosen.safeguards.quarantine = o.quarantine;
  chosen.plan.stop = o.stop;
  chosen.plan.health = {.interval = o.health.interval, .failures = o.health.failures};
  chosen.owner_memory = o.owner_memory;
  if (o.owner_memory.limit)
    chosen.plan.owner_memory = engine::owner_memory_settings{.limit = *o.owner_memory.limit,
                                                             .check_every = o.owner_memory.check_every,
                                                             .shrink = o.owner_memory.shrink};
  chosen.plan.one_task = o.lifetime == lifetime::per_task;
  chosen.plan.can_kill = true;
  chosen.plan.at_once = o.workers.at_once;
  chosen.can_capture = o.workers.at_once == 1;
  return chosen;
}

void check_changes(const process_options& before, const process_options& wanted) {
  problems bad;
  const limit_options &old = before.limits, &now = wanted.limits;
  const char* const advice = "belongs to the pool and cannot be changed by recycle; give it as it is";
  if (now.tasks != old.tasks)
    bad.add("limits.tasks", now.tasks ? std::to_string(*now.tasks) : "std::nullopt", advice);
  if (now.age != old.age) bad.add("limits.age", now.age ? show_duration(*now.age) : "std::nullopt", advice);
  if (now.memory_soft != old.memory_soft)
    bad.add("limits.memory_soft", now.memory_soft ? show_size(*now.memory_soft) : "std::nullopt", advice);
  if (now.jitter != old.jitter) bad.add("limits.jitter", fmt::format("{}", now.jitter), advice);
  options::check_ranges(bad, "limits", wanted.limits);
  rules_of_birth(bad, wanted);
  options::sort_as_process_options(bad);
  bad.throw_if_any(wanted.name);
}

void check(const recycle_options& o, const std::string& pool) {
  problems bad;
  options::check_ranges(bad, o);
  bad.throw_if_any(pool);
}

namespace {
void rules_of_trace(problems& bad, const task_options& o) {
  if (o.trace.empty() && o.trace.tracestate.empty()) return;
  if (!o.trace.empty() && !policy::is_traceparent(o.trace.traceparent))
    bad.add("trace.traceparent", "'" + o.trace.traceparent.substr(0, 80) + "'",
            "is no W3C traceparent: 00-<32 digits>-<16 digits>-<2 digits>, lower-case hexadecimal, no id all "
            "zero; leave it out where there is no trace");
  if (o.trace.empty() && !o.trace.tracestate.empty())
    bad.add("trace.tracestate", "'" + o.trace.tracestate.substr(0, 80) + "'",
            "means nothing without trace.traceparent; give both or none");
  else if (!policy::is_tracestate(o.trace.tracestate))
    bad.add("trace.tracestate", "'" + o.trace.tracestate.substr(0, 80) + "'",
            "is no W3C tracestate: at most 32 entries key=value with commas between, at most 512 bytes");
}
}  // namespace

void check_size(int min, int max, const engine::settings& of, const std::string& pool) {
  problems bad;
  options::check_ranges(bad, "workers", worker_options{.min = min, .max = max});
  rules_of_size(bad, {min, max});
  if (const auto idlers = std::ssize(of.plan.never_chosen); max <= idlers && !bad.has("workers.max"))
    bad.add("workers.max", std::to_string(max),
            fmt::format("{} have a weight of 0 (choose.weights), and somebody must be given tasks", idlers));
  bad.throw_if_any(pool);
}

std::string problems_of(const task_options& o, const engine::settings& pool) {
  problems bad;
  options::check_ranges(bad, o);
  if (o.retry) rules_of(bad, "retry.backoff", o.retry->backoff);
  if (o.capture != capture::off && !pool.can_capture && !bad.has("capture"))
    bad.add(
        "capture", options::name(o.capture),
        "all threads of a process print to one standard output; use a process_pool with workers.at_once = "
        "1");
  rules_of_trace(bad, o);
  const queue_options& queue = pool.queue;
  const bool turns =
      queue.each_key.at_once != engine::intake::any_number || queue.each_key.rate || !queue.keys.empty();
  if (!o.key.empty() && turns && queue.when_full == when_full::caller_runs)
    bad.add("key", "'" + o.key + "'",
            "the pool has when_full::caller_runs, and a submitter that runs its task waits for no key; "
            "choose another");
  options::sort_as_task_options(bad);
  return bad.text();
}

std::string problems_of_stream(const task_options* o) {
  problems bad;
  if (o == nullptr) return {};
  options::check_ranges(bad, *o);
  if (o->retry && o->retry->attempts > 1)
    bad.add("retry.attempts", std::to_string(o->retry->attempts),
            "a stream runs once, because its reader has seen what the first run yielded; leave it out");
  return bad.text();
}

}  // namespace muster::pool

namespace muster {

priority priority_named(std::string_view name) {
  for (const auto& [known, level] : {std::pair<std::string_view, priority>{"critical", priority::critical},
                                     {"high", priority::high},
                                     {"normal", priority::normal},
                                     {"low", priority::low}})
    if (name == known) return level;
  throw invalid_options("invalid priority: " + std::string(name) + "; known: critical, high, normal, low");
}

}  // namespace muster
