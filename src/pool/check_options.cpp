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

#include "policy/trace_text.hpp"
#include "pool/usable_cpus.hpp"

namespace muster::pool {

namespace {

// Collects what is wrong, a line each: the option, its value, its range, what to do.
class problems {
public:
  void add(std::string_view option, const std::string& value, std::string_view advice) {
    text_ += fmt::format("{}{} = {}: {}", text_.empty() ? "" : "\n", option, value, advice);
  }
  void not_negative(std::string_view option, duration value) {
    if (value < duration::zero()) add(option, show(value), "a time cannot be negative; use 0 or more");
  }
  void positive(std::string_view option, duration value) {
    if (value <= duration::zero()) add(option, show(value), "must be above 0");
  }
  void positive(std::string_view option, const std::optional<duration>& value) {
    if (value) positive(option, *value);
  }
  static std::string show(duration d) { return fmt::format("{} ns", d.count()); }
  [[nodiscard]] const std::string& text() const { return text_; }
  void throw_if_any(std::string_view pool) const {
    if (!text_.empty())
      throw invalid_options(fmt::format("the options of the pool '{}' are not usable:\n{}", pool, text_));
  }

private:
  std::string text_;
};

void check(problems& bad, std::string_view where, const backoff_options& o) {
  if (o.jitter > jitter::full)
    bad.add(fmt::format("{}.jitter", where), std::to_string(static_cast<int>(o.jitter)),
            "known: none, equal, full");
  bad.not_negative(fmt::format("{}.first", where), o.first);
  if (o.max < o.first)
    bad.add(fmt::format("{}.max", where), problems::show(o.max),
            "must not be below " + fmt::format("{}.first", where));
}

void check(problems& bad, std::string_view where, const retry_options& o) {
  if (o.attempts < 1 || o.attempts > 1'000)
    bad.add(fmt::format("{}.attempts", where), std::to_string(o.attempts),
            "range 1..1000; 1 means never again");
  check(bad, fmt::format("{}.backoff", where), o.backoff);
}

void check(problems& bad, const restart_options& o) {
  check(bad, "restart", o.backoff());
  if (o.limit && (*o.limit < 1 || *o.limit > 1'000))
    bad.add("restart.limit", std::to_string(*o.limit),
            "range 1..1000; std::nullopt replaces workers however often they die");
  bad.positive("restart.window", o.window);
  bad.positive("restart.cool_down", o.cool_down);
}

void check(problems& bad, const std::string& where, const std::optional<breaker_options>& breaker) {
  if (!breaker) return;
  const breaker_options& o = *breaker;
  if (!o.failures && !o.failure_rate)
    bad.add(where + ".failures", "std::nullopt", "set failures or failure_rate, or it never opens");
  if (o.failures && (*o.failures < 1 || *o.failures > 1'000'000))
    bad.add(where + ".failures", std::to_string(*o.failures), "range 1..1'000'000");
  if (o.failure_rate && !(*o.failure_rate > 0 && *o.failure_rate <= 1))
    bad.add(where + ".failure_rate", fmt::format("{}", *o.failure_rate),
            "above 0, at most 1; 0.5 is half of the calls");
  if (o.least_calls < 1 || o.least_calls > 1'000'000)
    bad.add(where + ".least_calls", std::to_string(o.least_calls), "range 1..1'000'000");
  if (o.probes < 1 || o.probes > 1'000) bad.add(where + ".probes", std::to_string(o.probes), "range 1..1000");
  bad.positive(where + ".window", o.window);
  bad.positive(where + ".open_for", o.open_for);
  bad.positive(where + ".slow", o.slow);
}

void check(problems& bad, const quarantine_options& o) {
  if (o.deaths < 1 || o.deaths > 1'000)
    bad.add("quarantine.deaths", std::to_string(o.deaths), "range 1..1000");
  bad.positive("quarantine.window", o.window);
  bad.positive("quarantine.stay", o.stay);
  if (o.mass_within < 1ms || o.mass_within > 60s)
    bad.add("quarantine.mass_within", problems::show(o.mass_within), "range 1 ms..60 s");
}

void check(problems& bad, const limit_options& o) {
  if (o.memory && *o.memory < 16_MiB)
    bad.add("limits.memory", std::to_string(*o.memory),
            "at least 16 MiB (16_MiB), or std::nullopt for no limit");
  if (o.tasks && (*o.tasks < 1 || *o.tasks > std::uint64_t{1} << 63U))
    bad.add("limits.tasks", std::to_string(*o.tasks),
            "range 1..2^63; std::nullopt keeps a worker however much it has done");
  if (o.age && *o.age <= duration::zero())
    bad.add("limits.age", problems::show(*o.age),
            "must be above 0; std::nullopt keeps a worker however old it is");
  if (o.memory_soft && *o.memory_soft < 16_MiB)
    bad.add("limits.memory_soft", std::to_string(*o.memory_soft),
            "at least 16 MiB (16_MiB), or std::nullopt for no limit");
  else if (o.memory_soft && o.memory && *o.memory_soft >= *o.memory)
    bad.add("limits.memory_soft", std::to_string(*o.memory_soft),
            fmt::format("must be below limits.memory ({}), at which a task fails", *o.memory));
  if (!(o.jitter >= 0 && o.jitter <= 1))
    bad.add("limits.jitter", fmt::format("{}", o.jitter), "range 0..1; 0.1 draws from the last tenth");
  if (o.open_files) {
    rlimit own = {};
    const bool known = getrlimit(RLIMIT_NOFILE, &own) == 0;
    if (*o.open_files < 32)
      bad.add("limits.open_files", std::to_string(*o.open_files), "at least 32: muster needs about a dozen");
    else if (known && *o.open_files > own.rlim_max)
      bad.add(
          "limits.open_files", std::to_string(*o.open_files),
          fmt::format("is above the hard limit of this process ({}); lower it, or raise that", own.rlim_max));
  }
  if (o.file_size && *o.file_size < 1_MiB)
    bad.add("limits.file_size", std::to_string(*o.file_size),
            "at least 1 MiB (1_MiB), or std::nullopt for no limit");
  if (o.processes && *o.processes < 8)
    bad.add("limits.processes", std::to_string(*o.processes),
            "at least 8, and it counts all processes and threads of this user");
  if (o.nice < 0 || o.nice > 19)
    bad.add("limits.nice", std::to_string(o.nice), "range 0..19; 0 is as urgent as the owner");
  if (o.cpu_time && *o.cpu_time < 1s)
    bad.add("limits.cpu_time", problems::show(*o.cpu_time),
            "at least 1 s, of a worker's whole life; to bound one task, use run_timeout");
}

void check(problems& bad, const std::string& where, const fault& o, bool has_memory_limit) {
  if (name(o.at).empty())
    bad.add(where + ".at", std::to_string(static_cast<int>(o.at)), "is no step of a worker");
  if (name(o.action).empty())
    bad.add(where + ".action", std::to_string(static_cast<int>(o.action)), "is no action");
  if (o.action == fault_action::raise && (o.number < 1 || o.number > 64))
    bad.add(where + ".number", std::to_string(o.number), "a signal's range is 1..64");
  if (o.action == fault_action::exit && (o.number < 0 || o.number > 255))
    bad.add(where + ".number", std::to_string(o.number), "an exit code's range is 0..255");
  if (o.action == fault_action::delay) bad.positive(where + ".pause", duration(o.pause));
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

void check(problems& bad, const std::vector<stop_signal>& ladder) {
  if (ladder.size() > 8) bad.add("stop", std::to_string(ladder.size()) + " signals", "at most 8");
  for (std::size_t i = 0; i < ladder.size(); ++i) {
    const auto [signal, patience] = ladder[i];
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
    bad.not_negative(fmt::format("stop[{}].patience", i), patience);
  }
}

void check(problems& bad, const health_options& o) {
  if (o.interval && *o.interval < 1ms)
    bad.add("health.interval", problems::show(*o.interval), "at least 1 ms, or std::nullopt for no checks");
  if (o.failures < 1 || o.failures > 1'000)
    bad.add("health.failures", std::to_string(o.failures),
            "range 1..1000; 1 kills at the first failed check");
  if (o.max_silence && !o.interval)
    bad.add("health.max_silence", problems::show(*o.max_silence), "needs health.interval, to be looked at");
  else if (o.max_silence && *o.max_silence < *o.interval)
    bad.add("health.max_silence", problems::show(*o.max_silence),
            "must not be below health.interval, at which it is looked at");
  if (o.check.get() != nullptr && !o.interval)
    bad.add("health.check", "a function", "needs health.interval, at which it is called");
}

void check_isolation(problems& bad, const process_options& o) {
  if (o.isolation > isolation::contain)
    bad.add("isolation", std::to_string(static_cast<int>(o.isolation)), "known: none, contain");
  if (o.isolation == isolation::none && o.env.pass != environment_options().pass)
    bad.add("env.pass", fmt::format("{} names", o.env.pass.size()),
            "isolation::none passes every variable on; leave it out, or choose isolation::contain");
}

void check_lifetime(problems& bad, const process_options& o) {
  if (o.lifetime > lifetime::per_task)
    bad.add("lifetime", std::to_string(static_cast<int>(o.lifetime)), "known: lasting, per_task");
  if (o.lifetime != lifetime::per_task) return;
  if (o.workers.at_once > 1)
    bad.add("workers.at_once", std::to_string(o.workers.at_once),
            "with lifetime::per_task every worker runs one task; leave it out");
  if (o.limits.tasks)
    bad.add("limits.tasks", std::to_string(*o.limits.tasks),
            "with lifetime::per_task every worker serves one task; leave it out");
  if (o.limits.memory_soft)
    bad.add("limits.memory_soft", std::to_string(*o.limits.memory_soft),
            "with lifetime::per_task no worker serves after its task; use limits.memory, or leave it out");
}

void check(problems& bad, const throttle_options& o) {
  const double most = 100.0 * usable_cpus();
  if (o.percent && !(*o.percent > 0 && *o.percent <= most))
    bad.add(
        "throttle.percent", fmt::format("{}", *o.percent),
        fmt::format("above 0, at most {} here (100 for each usable CPU); std::nullopt for no limit", most));
  if (o.check_every < 1ms || o.check_every > 10s)
    bad.add("throttle.check_every", problems::show(o.check_every), "range 1 ms..10 s");
}

void check(problems& bad, const owner_memory_options& o) {
  if (o.limit && *o.limit < 16_MiB)
    bad.add("owner_memory.limit", std::to_string(*o.limit),
            "at least 16 MiB (16_MiB), or std::nullopt for no watch");
  bad.positive("owner_memory.check_every", o.check_every);
  if (!o.limit && (o.reject || o.shrink || o.on_pressure))
    bad.add("owner_memory.limit", "std::nullopt", "reject, shrink and on_pressure need a limit");
}

// What a worker process is born with.
void check_process(problems& bad, const process_options& o) {
  check(bad, o.limits);
  check_isolation(bad, o);
  check_lifetime(bad, o);
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

void check(problems& bad, strategy how, const choose_options& o, int most_workers) {
  if (name(how).empty())
    bad.add("strategy", std::to_string(static_cast<int>(how)),
            "is none; strategy_named gives one by its name, and lists them where there is none of that name");
  for (std::size_t slot = 0; slot < o.weights.size(); ++slot)
    if (o.weights[slot] < 0 || o.weights[slot] > 1'000'000)
      bad.add(fmt::format("choose.weights[{}]", slot), std::to_string(o.weights[slot]),
              "range 0..1'000'000; 0 is never given a task");
  if (o.weights.size() > static_cast<std::size_t>(std::max(0, most_workers)))
    bad.add("choose.weights", fmt::format("{} of them", o.weights.size()),
            fmt::format("there are at most {} workers (workers.max); leave the others out", most_workers));
  else if (o.weights.size() == static_cast<std::size_t>(std::max(0, most_workers)) &&
           std::ranges::count(o.weights, 0) == std::ssize(o.weights))
    bad.add("choose.weights", "all 0", "no worker would ever be given a task; give one of them more");
  if (!o.weights.empty() && how != strategy::weighted)
    bad.add("choose.weights", fmt::format("{} of them", o.weights.size()),
            "go with strategy::weighted; choose that, or leave them out");
  if (o.full < 1 || o.full > 1'000'000) bad.add("choose.full", std::to_string(o.full), "range 1..1'000'000");
  if (o.affinity > affinity::hard)
    bad.add("choose.affinity", std::to_string(static_cast<int>(o.affinity)), "known: soft, hard");
  if (o.chooser && how != strategy::pull)
    bad.add("choose.chooser", "a function",
            "it decides instead of a strategy; leave `strategy` as it is, or leave the chooser out");
}

std::string_view name(when_full how) {
  static constexpr std::string_view names[] = {"wait", "reject", "caller_runs", "drop_oldest", "drop_newest"};
  return names[static_cast<std::size_t>(how)];
}

void check(problems& bad, const std::string& where, const rate_options& o) {
  if (!(o.per_second >= 0.001 && o.per_second <= 1e9))
    bad.add(where + ".per_second", fmt::format("{}", o.per_second),
            "range 0.001..1e9; std::nullopt for no limit");
  if (o.burst < 1 || o.burst > 1'000'000)
    bad.add(where + ".burst", std::to_string(o.burst), "range 1..1000000; 1 spaces starts evenly");
}

void check(problems& bad, const std::string& where, const key_options& o) {
  if (o.at_once && (*o.at_once < 1 || *o.at_once > 1'000'000))
    bad.add(where + ".at_once", std::to_string(*o.at_once), "range 1..1000000; 1 is one after the other");
  if (o.rate) check(bad, where + ".rate", *o.rate);
}

// What a limit can do at a full queue, and what it cannot.
void check_full(problems& bad, const queue_options& o) {
  if (o.when_full > when_full::drop_newest) {
    bad.add("queue.when_full", std::to_string(static_cast<int>(o.when_full)),
            "known: wait, reject, caller_runs, drop_oldest, drop_newest");
    return;
  }
  const std::string how(name(o.when_full));
  if (o.patience && o.when_full != when_full::wait)
    bad.add("queue.patience", problems::show(*o.patience), "only goes with when_full::wait");
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

void check(problems& bad, const queue_options& o) {
  constexpr std::size_t most = std::size_t{1} << 31U;
  if (o.capacity && *o.capacity > most && *o.capacity != queue_options::automatic)
    bad.add("queue.capacity", std::to_string(*o.capacity),
            "range 0..2^31, queue_options::automatic, or std::nullopt for an unlimited queue");
  bad.positive("queue.patience", o.patience);
  check_full(bad, o);
  if (o.bytes && *o.bytes < 1) bad.add("queue.bytes", "0", "at least 1; std::nullopt for no limit");
  if (o.unsettled && (*o.unsettled < 1 || *o.unsettled > most))
    bad.add("queue.unsettled", std::to_string(*o.unsettled), "range 1..2^31; std::nullopt for no limit");
  if (o.ageing && (*o.ageing < 1ms || *o.ageing > 24h || *o.ageing % 1ms != 0ns))
    bad.add("queue.ageing", problems::show(*o.ageing),
            "range 1 ms..24 h in whole milliseconds; std::nullopt for strict priorities");
  if (o.rate) check(bad, "queue.rate", *o.rate);
  check(bad, "queue.each_key", o.each_key);
  for (std::size_t i = 0; i < o.keys.size(); ++i) {
    const auto& [key, rules] = o.keys[i];
    const std::string where = fmt::format("queue.keys[{}]", i);
    if (key.empty() || key.size() > 256)
      bad.add(where + ".first", "'" + key + "'", "a key has 1 to 256 bytes");
    const auto before = o.keys.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(o.keys.begin(), before, [&key](const auto& other) { return other.first == key; }))
      bad.add(where + ".first", "'" + key + "'", "is there twice; keep one of them");
    check(bad, where + ".second", rules);
  }
}

void check_watching(problems& bad, const measure_options& measure, const report_options& report,
                    const own_log_options& lines) {
  if (measure.one_in && (*measure.one_in < 1 || *measure.one_in > 1'000'000))
    bad.add("measure.one_in", std::to_string(*measure.one_in),
            "range 1..1000000; 1 measures every task, std::nullopt none");
  if (report.every && *report.every < 1ms)
    bad.add("report.every", problems::show(*report.every), "at least 1 ms, or std::nullopt for no reports");
  if (!report.every && report.hook)
    bad.add("report.hook", "a function", "needs report.every, at which it is called; 5s is usual");
  if (report.backing_up_at && (*report.backing_up_at < 1 || *report.backing_up_at > 1'000'000))
    bad.add("report.backing_up_at", std::to_string(*report.backing_up_at),
            "range 1..1000000 tasks for each worker; std::nullopt for no warning");
  if (lines.level && *lines.level > log_level::error)
    bad.add("own_log.level", std::to_string(static_cast<int>(*lines.level)),
            "known: debug, info, warning, error; std::nullopt for no lines");
  else if (lines.tasks && (!lines.level || *lines.level > log_level::info))
    bad.add("own_log.tasks", "true", "its lines have the level info; set own_log.level to info or debug");
}

// The CPUs that this process may use.
void check_cpus(problems& bad, const std::vector<int>& cpus) {
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

void check_bounds(problems& bad, const size& s) {
  if (s.min < 0 || s.min > 4'096) bad.add("workers.min", std::to_string(s.min), "range 0..4096");
  if (s.max < 1 || s.max > 4'096)
    bad.add("workers.max", std::to_string(s.max), "range 1..4096");
  else if (s.max < s.min)
    bad.add("workers.max", std::to_string(s.max),
            fmt::format("is below workers.min ({}); raise it or lower min", s.min));
}

void check(problems& bad, const scaling_options& o) {
  const auto part = [&](const char* name, const std::optional<double>& value) {
    if (value && !(*value > 0 && *value < 1))
      bad.add(name, fmt::format("{}", *value), "a part of the workers: above 0 and below 1");
  };
  part("scaling.up_at", o.up_at);
  part("scaling.down_at", o.down_at);
  if (o.up_at && o.down_at && *o.down_at >= *o.up_at)
    bad.add("scaling.down_at", fmt::format("{}", *o.down_at),
            fmt::format("must be below scaling.up_at ({}), or the pool would go to and fro", *o.up_at));
  if (o.queue_per_worker && !(*o.queue_per_worker > 0 && *o.queue_per_worker <= 1e9))
    bad.add("scaling.queue_per_worker", fmt::format("{}", *o.queue_per_worker),
            "above 0, at most 1e9; std::nullopt grows while any task waits");
  bad.positive("scaling.waiting_time", o.waiting_time);
  bad.not_negative("scaling.cool_down", o.cool_down);
  bad.not_negative("scaling.least_life", o.least_life);
  if (o.starts_per_second && !(*o.starts_per_second >= 0.001 && *o.starts_per_second <= 1e6))
    bad.add("scaling.starts_per_second", fmt::format("{}", *o.starts_per_second),
            "range 0.001..1e6; std::nullopt for no limit");
  if (o.check_every < 1ms || o.check_every > 1h)
    bad.add("scaling.check_every", problems::show(o.check_every), "range 1 ms..1 h");
}

size check(problems& bad, const worker_options& o, int default_min) {
  const int cpus = usable_cpus();
  size s{o.min.value_or(std::min(default_min, o.max.value_or(default_min))), 0};
  s.max = o.max.value_or(o.min ? std::max(1, *o.min) : std::max(cpus, s.min));
  check_bounds(bad, s);
  bad.positive("workers.idle_timeout", o.idle_timeout);
  if (o.at_once < 1 || o.at_once > 64)
    bad.add("workers.at_once", std::to_string(o.at_once),
            "range 1..64; for more at a time raise workers.max");
  return s;
}

template <class Options>
engine::settings check_common(problems& bad, const Options& o, int default_min) {
  const size s = check(bad, o.workers, default_min);
  check(bad, o.queue);
  check(bad, "retry", o.retry);
  check(bad, "breaker", o.breaker);
  check(bad, "breaker_per_label", o.breaker_per_label);
  if (o.dead_letters > 1'000'000)
    bad.add("dead_letters", std::to_string(o.dead_letters), "range 0..1'000'000");
  bad.not_negative("grace", o.grace);
  bad.not_negative("close.patience", o.close.patience);
  check(bad, o.strategy, o.choose, s.max);
  check(bad, o.scaling);
  if (o.scaling.queue_per_worker && !o.scaling.waiting_time && std::ranges::count(o.choose.weights, 0) > 0)
    bad.add(
        "scaling.queue_per_worker", fmt::format("{}", *o.scaling.queue_per_worker),
        "with a weight of 0 (choose.weights) a short queue could wait for ever; add scaling.waiting_time");
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
  const std::uint32_t at_once = o.strategy == strategy::key ? engine::intake::any_number : 1;
  for (auto& [key, rules] : chosen.queue.keys) rules.at_once = rules.at_once.value_or(at_once);
  chosen.queue.each_key.at_once = chosen.queue.each_key.at_once.value_or(at_once);
  if (chosen.queue.capacity == queue_options::automatic)
    chosen.queue.capacity = 2 * static_cast<std::size_t>(s.max);
  check_watching(bad, o.measure, o.report, o.own_log);
  check_cpus(bad, o.cpus);
  if (o.hooks.keep_alive_every < 1ms)
    bad.add("hooks.keep_alive_every", problems::show(o.hooks.keep_alive_every), "at least 1 ms");
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
  if (o.nice < 0 || o.nice > 19)
    bad.add("nice", std::to_string(o.nice), "range 0..19; 0 is as urgent as the thread that starts it");
  if (o.workers.at_once > 1)
    bad.add("workers.at_once", std::to_string(o.workers.at_once),
            "a thread runs one task; raise workers.max, or use a process_pool");
  bad.throw_if_any(o.name);
  return chosen;
}

engine::settings check(const process_options& o) {
  problems bad;
  engine::settings chosen = check_common(bad, o, 1);
  if (o.queue.when_full == when_full::caller_runs)
    bad.add("queue.when_full", "caller_runs",
            "a process pool never runs a task in its owner; choose wait or reject, or a thread_pool");
  check_process(bad, o);
  check(bad, o.stop);
  check(bad, o.health);
  check(bad, o.throttle);
  check(bad, o.owner_memory);
  bad.positive("ready_timeout", o.ready_timeout);
  check(bad, o.restart);
  if (o.quarantine) check(bad, *o.quarantine);
  if (o.faults.size() > 64)
    bad.add("faults", fmt::format("{} faults", o.faults.size()), "at most 64 at a time");
  for (std::size_t i = 0; i < o.faults.size(); ++i)
    check(bad, fmt::format("faults[{}]", i), o.faults[i], o.limits.memory.has_value());
  if (!o.program.empty() && access(o.program.c_str(), X_OK) != 0)
    bad.add("program", o.program, "is not a program that can be run");
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
  if (now.age != old.age) bad.add("limits.age", now.age ? problems::show(*now.age) : "std::nullopt", advice);
  if (now.memory_soft != old.memory_soft)
    bad.add("limits.memory_soft", now.memory_soft ? std::to_string(*now.memory_soft) : "std::nullopt",
            advice);
  if (now.jitter != old.jitter) bad.add("limits.jitter", fmt::format("{}", now.jitter), advice);
  check_process(bad, wanted);
  bad.throw_if_any(wanted.name);
}

void check(const recycle_options& o, const std::string& pool) {
  problems bad;
  if (o.at_once < 1 || o.at_once > 4'096) bad.add("at_once", std::to_string(o.at_once), "range 1..4096");
  bad.positive("deadline", o.deadline);
  bad.not_negative("pause", o.pause);
  bad.throw_if_any(pool);
}

namespace {
void check_names(problems& bad, const task_options& o) {
  if (o.label.size() > 256)
    bad.add("label", fmt::format("{} bytes", o.label.size()),
            "at most 256; it names a kind of work, and `id` a single task");
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

void check_size(int min, int max, const std::string& pool) {
  problems bad;
  check_bounds(bad, {min, max});
  bad.throw_if_any(pool);
}

std::string problems_of(const task_options& o, const engine::settings& pool) {
  problems bad;
  bad.positive("queue_timeout", o.queue_timeout);
  bad.positive("run_timeout", o.run_timeout);
  bad.positive("deadline", o.deadline);
  if (o.retry) check(bad, "retry", *o.retry);
  if (o.capture > capture::forward)
    bad.add("capture", std::to_string(static_cast<int>(o.capture)), "known: off, keep, forward");
  else if (o.capture != capture::off && !pool.can_capture)
    bad.add(
        "capture", o.capture == capture::keep ? "keep" : "forward",
        "all threads of a process print to one standard output; use a process_pool with workers.at_once = "
        "1");
  check_names(bad, o);
  if (o.key.size() > 256) bad.add("key", fmt::format("{} bytes", o.key.size()), "at most 256 bytes");
  const queue_options& queue = pool.queue;
  const bool turns =
      queue.each_key.at_once != engine::intake::any_number || queue.each_key.rate || !queue.keys.empty();
  if (!o.key.empty() && turns && queue.when_full == when_full::caller_runs)
    bad.add("key", "'" + o.key + "'",
            "the pool has when_full::caller_runs, and a submitter that runs its task waits for no key; "
            "choose another");
  return bad.text();
}

std::string problems_of_stream(const task_options* o) {
  problems bad;
  if (o == nullptr) return {};
  if (o->chunks_ahead < 1 || o->chunks_ahead > 65'535)
    bad.add("chunks_ahead", std::to_string(o->chunks_ahead), "range 1..65535");
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
