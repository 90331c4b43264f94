// SPDX-License-Identifier: MIT
#pragma once

// The tables of whole pools, of what only pools of processes have, and of tasks. In the order of the members.

#include "options/describe.hpp"
#include "options/groups.hpp"

namespace muster::options {

template <>
struct described<limit_options> {
  using o = limit_options;
  static constexpr auto fields = std::tuple{
      option("memory", &o::memory, bytes_at_least(16_MiB),
             "The most memory that a worker may use; a task that meets it fails with out_of_memory.",
             "no limit"),
      option("tasks", &o::tasks, between(1, 9'223'372'036'854'775'808.0L),
             "A worker that has served so many tasks is replaced.", "however much it has done"),
      option("age", &o::age, above_zero, "A worker that has been ready for so long is replaced.",
             "however old it is"),
      option("memory_soft", &o::memory_soft, bytes_at_least(16_MiB),
             "A worker that has more private memory after a task is replaced; below memory.", "no limit"),
      option("jitter", &o::jitter, between(0, 1).with("0.1 draws from the last tenth"),
             "The part of tasks and age that is drawn for each worker, so that they are not replaced "
             "together."),
      option("open_files", &o::open_files, at_least(32).with("muster needs about a dozen"),
             "Descriptors that a worker may have open, at most the hard limit of the owner.", "no limit"),
      option("file_size", &o::file_size, bytes_at_least(1_MiB),
             "Bytes that any file may have which a worker writes.", "no limit"),
      option("processes", &o::processes, at_least(8).with("it counts all processes and threads of this user"),
             "No worker starts a thread or process when its user has so many already.", "no limit"),
      option("cpu_time", &o::cpu_time,
             at_least(1s).with("it is of a worker's whole life; to bound one task, use run_timeout"),
             "Processor time of a worker in its whole life.", "no limit"),
      option("nice", &o::nice, between(0, 19).with("0 is as urgent as the owner"),
             "Added to the niceness of each worker."),
      option("core_dumps", &o::core_dumps, any, "Whether a worker that crashes may leave a core dump."),
  };
};

template <>
struct described<throttle_options> {
  using o = throttle_options;
  static constexpr auto fields = std::tuple{
      option("percent", &o::percent, any_of("above 0, at most 100 for each usable CPU"),
             "The processor time that all workers together may use: 250 is two and a half CPUs.",
             "as much as there is"),
      option("check_every", &o::check_every, between(1ms, 10s), "How often the use is looked at."),
  };
};

template <>
struct described<owner_memory_options> {
  using o = owner_memory_options;
  static constexpr auto fields = std::tuple{
      option("limit", &o::limit, bytes_at_least(16_MiB),
             "The owner's private memory above which there is an event, memory_pressure.", "no watch"),
      option("check_every", &o::check_every, above_zero, "From one look to the next."),
      option("reject", &o::reject, any, "Above the limit, submit throws memory_pressure."),
      option("shrink", &o::shrink, any,
             "Above the limit, workers beyond workers.min end as they become idle, and none is added."),
      option("on_pressure", &o::on_pressure, any,
             "A function that is called each time the limit is crossed."),
  };
};

template <>
struct described<health_options> {
  using o = health_options;
  static constexpr auto fields = std::tuple{
      option("interval", &o::interval, at_least(1ms), "Every so long each worker is looked at.", "no checks"),
      option("failures", &o::failures, between(1, 1'000).with("1 kills at the first failed check"),
             "A worker that fails so many checks in a row is killed."),
      option("max_silence", &o::max_silence, any_of("not below health.interval"),
             "A busy worker that was silent for so long has failed its check.",
             "a task may wait for as long as it likes"),
      option("check", &o::check, any, "A function that runs in each idle worker at each check."),
  };
};

template <>
struct described<quarantine_options> {
  using o = quarantine_options;
  static constexpr auto fields = std::tuple{
      option("deaths", &o::deaths, between(1, 1'000), "A task is set aside at so many deaths."),
      option("window", &o::window, above_zero, "Deaths longer ago are forgotten."),
      option("stay", &o::stay, above_zero, "So long tasks of the same id are refused after that."),
      option("mass_within", &o::mass_within, between(1ms, 60s),
             "Where more than half of the workers die within so long, no task is blamed."),
  };
};

template <>
struct described<environment_options> {
  using o = environment_options;
  static constexpr auto fields = std::tuple{
      option("pass", &o::pass, any,
             "Variables of the owner that workers see; a * at the end of a name matches any ending."),
      option("set", &o::set, any, "Variables that are set in workers, after that."),
  };
};

template <>
struct described<stop_signal> {
  using o = stop_signal;
  static constexpr auto fields = std::tuple{
      option("signal", &o::signal, any_of("1..64, and one that ends a process"), "The signal."),
      option("patience", &o::patience, not_negative, "How long the worker may take after it."),
  };
};

template <>
struct described<fault> {
  using o = fault;
  static constexpr auto fields = std::tuple{
      option("at", &o::at, any, "The step in the life of a worker."),
      option("action", &o::action, any, "What goes wrong there."),
      option("number", &o::number, any_of("1..64 for raise, 0..255 for exit"), "The signal, or exit code."),
      option("pause", &o::pause, any_of("above 0 for delay"), "How long it sleeps."),
      option("nth", &o::nth, any, "At the so-manieth time that a worker comes there; 0: each time."),
      option("slot", &o::slot, any, "Only in the worker of this slot.", "in any"),
      option("generations", &o::generations, any, "Only in the first so many workers of a slot.", "in all"),
  };
};

template <>
struct described<thread_hooks> {
  using o = thread_hooks;
  static constexpr auto fields = std::tuple{
      option("init", &o::init, any, "A function that runs in each worker before its first task."),
      option("close", &o::close, any, "A function that runs in each worker after its last task."),
      option("keep_alive", &o::keep_alive, any, "A function that runs in each worker while it is idle."),
      option("keep_alive_every", &o::keep_alive_every, at_least(1ms), "How often keep_alive runs."),
  };
};

template <>
struct described<process_hooks> {
  using o = process_hooks;
  static constexpr auto fields = std::tuple{
      option("close", &o::close, any, "A function that runs in each worker after its last task."),
      option("keep_alive", &o::keep_alive, any, "A function that runs in each worker while it is idle."),
      option("keep_alive_every", &o::keep_alive_every, at_least(1ms), "How often keep_alive runs."),
  };
};

// ---- what both kinds of pools begin and end with

template <class O>
constexpr auto first_options() {
  return std::tuple{
      group("workers", &O::workers),
      group("scaling", &O::scaling),
      option("strategy", &O::strategy, any, "Who gets the next task when several workers could take it."),
      group("choose", &O::choose),
      group("queue", &O::queue),
      group("retry", &O::retry),
      option("breaker", &O::breaker, any, "Refuses all tasks for a while when too many have failed.",
             "never"),
      option("breaker_per_label", &O::breaker_per_label, any, "The same for the tasks of each label.",
             "never"),
      option("dead_letters", &O::dead_letters, between(0, million),
             "So many tasks that failed for good are kept."),
  };
}
template <class O>
constexpr auto grace_option() {
  return std::tuple{option(
      "grace", &O::grace, not_negative,
      "How long a task that was told to stop may go on: then its process is ended, its thread reported.")};
}
template <class O>
constexpr auto middle_options() {
  return std::tuple{
      group("close", &O::close),
      option("on_post_error", &O::on_post_error, any,
             "What becomes of an exception that leaves a task which has no future."),
      option("callbacks", &O::callbacks, any, "Where continuations and event handlers run."),
      option("log", &O::log, any, "Where lines go that tasks log."),
      option("name", &O::name, any, "Appears in names of threads and processes, in events and errors."),
      option("start", &O::start, any, "Whether the pool starts when it is made."),
      group("measure", &O::measure),
      group("report", &O::report),
      group("own_log", &O::own_log),
      option("metrics", &O::metrics, any, "Where metrics go."),
      group("arena", &O::arena),
      group("hooks", &O::hooks),
      option("cpus", &O::cpus, any_of("CPUs that this process may use"),
             "CPUs to pin workers to; empty: wherever the system puts them."),
  };
}

template <>
struct described<thread_options> {
  using o = thread_options;
  static constexpr auto fields = std::tuple_cat(
      first_options<o>(), grace_option<o>(), middle_options<o>(),
      std::tuple{
          option("nice", &o::nice, between(0, 19).with("0 is as urgent as the thread that starts it"),
                 "Added to the niceness of each worker thread."),
      });
};

template <>
struct described<process_options> {
  using o = process_options;
  static constexpr auto fields = std::tuple_cat(
      first_options<o>(),
      std::tuple{
          group("limits", &o::limits),
          option("isolation", &o::isolation, any,
                 "How far a worker is kept from what its owner has: environment, privileges, core dumps."),
          option("lifetime", &o::lifetime, any, "Whether a worker serves task after task, or one."),
          group("throttle", &o::throttle),
          group("owner_memory", &o::owner_memory),
      },
      grace_option<o>(),
      std::tuple{
          option("stop", &o::stop, between(0, 8),
                 "The signals a worker gets between grace and SIGKILL, each with its patience."),
          group("health", &o::health),
          option("ready_timeout", &o::ready_timeout, above_zero,
                 "A worker that is not ready after this time is killed."),
          group("restart", &o::restart),
          option("quarantine", &o::quarantine, any, "For tasks under which workers die again and again.",
                 "none is set aside"),
          group("env", &o::env),
          option("cwd", &o::cwd, any_of("a directory that can be entered"),
                 "Working directory of the workers; empty: the owner's."),
          option("args", &o::args, any, "For the code in the workers, which gets them by worker_arguments."),
          option("init", &o::init, any, "A function that runs in each worker before its first task."),
          option("program", &o::program, any_of("a program that can be run"),
                 "The program to run as worker; empty: this program."),
          option("worker_stderr", &o::worker_stderr, any,
                 "Whether a worker's standard error also goes to the owner's."),
          option("faults", &o::faults, between(0, 64), "What shall go wrong in workers, for tests."),
          option("argument_memory", &o::argument_memory,
                 interval{.least = 0, .most = 1'048'576.0L * 1_MiB, .bytes = true},
                 "Bytes of memory in which arguments of more than 64 KiB travel to workers."),
          option("spin", &o::spin, between(0ms, 10ms),
                 "How long a worker without calls, and who waits for a result, look before they sleep."),
      },
      middle_options<o>());
};

template <>
struct described<task_options> {
  using o = task_options;
  static constexpr auto fields = std::tuple{
      option("priority", &o::priority, any, "How urgent the task is: higher first."),
      option("queue_timeout", &o::queue_timeout, above_zero,
             "Longest wait for a worker; then it fails with task_timeout, and never runs.", "no limit"),
      option("run_timeout", &o::run_timeout, above_zero,
             "A task that runs longer fails with task_timeout; a process that does not stop is ended.",
             "no limit"),
      option("deadline", &o::deadline, above_zero, "From submit to settle, waits, runs and retries together.",
             "no limit"),
      option("stop", &o::stop, any, "A request on this token cancels the task."),
      option("id", &o::id, any, "Your own name for the task; comes back in errors and events."),
      option("retry", &o::retry, any, "Instead of the pool's.", "the pool's"),
      option("report", &o::report, any, "Keep where and when it ran."),
      option("capture", &o::capture, any, "What becomes of what it prints."),
      option("on_progress", &o::on_progress, any, "A function that is called with what the task says."),
      option("chunks_ahead", &o::chunks_ahead, between(1, 65'535),
             "How many chunks of a stream may be unread before the task waits."),
      option("per_task", &o::per_task, between(1, 1'000'000),
             "For map: so many elements make one task, which is sent and counted as one."),
      option("label", &o::label, at_most(256).with("it names a kind of work, and `id` a single task"),
             "What kind of work this is, for grouping."),
      option("trace", &o::trace, any, "The trace it belongs to."),
      option("key", &o::key, at_most(256),
             "Tasks of one key run one after the other; with strategy key they go to one worker."),
      option("bytes", &o::bytes, any_of("0 or more"),
             "What the task weighs for queue.bytes, besides encoded arguments."),
  };
};

template <>
struct described<recycle_options> {
  using o = recycle_options;
  static constexpr auto fields = std::tuple{
      option("at_once", &o::at_once, between(1, 4'096), "So many workers are replaced at a time."),
      option("deadline", &o::deadline, above_zero, "The call returns after so long at the latest."),
      option("pause", &o::pause, not_negative,
             "Longest pause between the start of one replacement and that of the next."),
      option("canary", &o::canary, any, "A function that runs in each new worker before it is ready."),
  };
};

}  // namespace muster::options
