// SPDX-License-Identifier: MIT
#pragma once

/// Everything that can be chosen about a pool and about a task.
///
/// Options are plain structs with a default for every field; name only what you change:
///
///     muster::process_pool pool({
///         .workers = {.min = 1, .max = 4, .idle_timeout = 10s},
///         .queue   = {.capacity = 1'000, .when_full = muster::when_full::reject},
///         .limits  = {.memory = 512_MiB},
///     });
///
/// "Unlimited" is always std::nullopt, never 0 or -1. A pool checks all of its options when it is made and
/// throws invalid_options with every problem it found, not just the first.

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/arena_options.hpp>
#include <muster/choose_options.hpp>
#include <muster/failing_options.hpp>
#include <muster/fault.hpp>
#include <muster/hooks.hpp>
#include <muster/log.hpp>
#include <muster/queue_options.hpp>
#include <muster/scaling_options.hpp>
#include <muster/trace.hpp>
#include <muster/watching.hpp>

namespace muster {

using namespace std::chrono_literals;

/// Sizes in bytes: 512_MiB.
inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }
constexpr std::size_t operator""_GiB(unsigned long long n) { return static_cast<std::size_t>(n) << 30; }
}  // namespace literals

/// How many workers a pool has.
struct worker_options {
  /// Workers kept alive. Range 0..4096. `.workers = {4}` is a fixed size of 4; `.workers = {0}` is 0 to 1: a
  /// worker on demand.
  /// Default: all usable CPUs for a thread pool, 1 for a process pool; never more than `max` where only that
  /// was given (`{.max = 1}` is a fixed size of 1).
  std::optional<int> min{};
  /// Never more than this. Range max(1, min)..4096. Default: `min` where only `min` was given (1 where that
  /// is 0), else all usable CPUs.
  std::optional<int> max{};
  /// A worker above `min` that had nothing to do for so long is stopped. Above 0.
  duration idle_timeout = 10s;
  /// So many tasks run at the same time in one worker process, each on a thread of its own there: for tasks
  /// that wait more than they compute, in fewer processes. What ends the process, such as a crash of one of
  /// them, or one that is late and does not stop, fails those that ran beside it too, as unexpected_exit with
  /// the same death; those that had not begun move on. Tasks of one process must not disturb each other, so
  /// the functions have to be safe for threads. Range 1..64 for a process pool; a thread runs one task, so a
  /// thread pool takes 1 only.
  int at_once = 1;
};

/// What the destructor of a pool does with tasks that have not settled.
enum class on_destroy : std::uint8_t {
  drain,   ///< Finish them, within close_options::patience, then cancel what is left.
  cancel,  ///< Cancel them at once.
};

struct close_options {
  muster::on_destroy on_destroy = muster::on_destroy::drain;
  /// Range: 0 or more. What is pending then is cancelled, named on standard error, and (processes) killed.
  duration patience = 30s;
};

/// What becomes of an exception that leaves a task started by `post`, which has no future to carry it.
enum class on_post_error : std::uint8_t {
  report,     ///< It becomes an event (event_kind::task_failed). Where nobody listens to those, the first of
              ///< a pool is one line on standard error.
  terminate,  ///< It also ends the program by std::terminate.
};

/// Runs a function later, on a thread of its choice. Used for continuations and event handlers.
using executor = std::function<void(std::function<void()>)>;

/// How far a worker process is kept from what its owner has. At each level it has a process group of its own,
/// ends with the owner, begins with default signals and an empty standard input, and has none of the owner's
/// descriptors but standard output and error.
///
/// Neither level holds back code that attacks instead of failing. The level for that (namespaces, filters of
/// system calls) comes later, behind these, as `sandbox`.
enum class isolation : std::uint8_t {
  /// For code that needs its owner's surroundings, such as programs that gain privileges. A worker has the
  /// whole environment that the owner had at muster::init, then environment_options::set; new programs may
  /// gain privileges; the owner's limit on core dumps holds. A program that has become another user is out of
  /// our reach and may outlive the pool.
  none,
  /// For code that may be wrong. A worker has only the variables of environment_options, no program it runs
  /// gains privileges by setuid or the like, and there is no core dump unless limit_options::core_dumps.
  contain,
};

/// How long a worker process serves.
enum class lifetime : std::uint8_t {
  /// Task after task, or several at once (worker_options::at_once), until the pool or a limit ends it.
  lasting,
  /// One task, which no other has run before in that process, nor will after; another attempt of a task is in
  /// another process too. The next worker starts while the present one works: there are up to twice
  /// workers.max processes, and at most workers.max tasks run. Not with workers.at_once above 1.
  per_task,
};

/// Which variables of the owner's environment a worker process sees.
struct environment_options {
  /// Names that are passed on. A * at the end of a name matches any ending; elsewhere it is refused.
  /// Everything else is removed. Not with isolation::none, where every variable is passed on.
  std::vector<std::string> pass = {"PATH", "HOME", "USER",   "LOGNAME", "SHELL", "LANG",           "LANGUAGE",
                                   "LC_*", "TZ",   "TMPDIR", "TERM",    "PWD",   "LD_LIBRARY_PATH"};
  /// Set in the worker, after the above.
  std::vector<std::pair<std::string, std::string>> set{};
};

/// What a worker process may use. std::nullopt: no limit of ours.
struct limit_options {
  /// Bytes of memory for each worker. At least 16 MiB. Kept by a control group where one was given to this
  /// process (the directory in the environment variable MUSTER_CGROUP, or a delegated one), else by
  /// RLIMIT_DATA, which counts private writable memory; stats().memory_limit_means says which. A task that
  /// meets it fails with out_of_memory.
  std::optional<std::size_t> memory{};
  /// A worker that has served so many tasks is replaced by a new one. Range 1..2^63.
  ///
  /// Replacing costs no task: the new worker starts first, and only when it is ready does the old one end,
  /// after the task it runs; what it had not begun goes to others. So a worker may serve some tasks more than
  /// this, and meanwhile the pool has one worker more, also than `workers.max`. There is one replacement at a
  /// time for each reason; where every worker is past twice its limit, half of them are replaced at a time. A
  /// new worker that does not come up leaves the old one serving, and is tried again after a pause
  /// (process_options::restart).
  std::optional<std::uint64_t> tasks{};
  /// A worker that has been ready for so long is replaced, as above, idle or not. Above 0.
  std::optional<duration> age{};
  /// A worker whose private memory is above so many bytes after a task is replaced, as above: a soft limit
  /// below `memory`, at which nobody dies. It counts what is resident and the worker's alone, not what it
  /// shares with the program it was forked from. Looked at after tasks, at most twice a second. At least 16
  /// MiB.
  std::optional<std::size_t> memory_soft{};
  /// Each worker's own `tasks` and `age` are drawn from the part [1 - jitter, 1] of these, so that workers
  /// that started together are not replaced together. Range 0..1.
  double jitter = 0.1;

  /// Descriptors a worker may have open (RLIMIT_NOFILE); then open and the like fail with EMFILE. At least
  /// 32, and not above the hard limit of this process. muster itself needs about a dozen.
  std::optional<std::uint64_t> open_files{};
  /// Bytes any file may have that a worker writes (RLIMIT_FSIZE). A write beyond it ends the worker by
  /// SIGXFSZ, and the task fails with an unexpected_exit that names this limit; a task that ignores the
  /// signal gets EFBIG. A result too large for shared memory travels in such a file too. At least 1 MiB.
  std::optional<std::size_t> file_size{};
  /// No worker starts a thread or a process when this process's user has so many already, in all programs
  /// together (RLIMIT_NPROC); fork and the like then fail with EAGAIN. It does not bind root, nor who has
  /// CAP_SYS_RESOURCE or CAP_SYS_ADMIN. At least 8.
  std::optional<std::uint64_t> processes{};
  /// Processor time of a worker in its whole life, rounded up to seconds (RLIMIT_CPU). Then SIGXCPU ends it,
  /// a second later SIGKILL, and the task fails with an unexpected_exit that names this limit. At least 1 s.
  /// To bound one task, use task_options::run_timeout.
  std::optional<duration> cpu_time{};
  /// Added to the niceness of each worker: 0 is as urgent as the owner, 19 is only what nobody else wants.
  /// This is a weight, not a cap: where processors are free, it costs nothing. A cap is
  /// process_options::throttle. Range 0..19.
  int nice = 0;
  /// Whether a worker that crashes may leave a core dump; otherwise RLIMIT_CORE is 0, or with isolation::none
  /// what it is in the owner.
  bool core_dumps = false;
};

/// How much of the processors all workers of a pool together may use. Kept without the help of a control
/// group, so by the only means left: a task waits in the queue while the workers, with the processes they
/// started, have used more than their part. What runs is never stopped, so a pool of long tasks is above its
/// part while they run, and waits for so much longer afterwards, but for no more than a minute; over some
/// tasks its use is what it may be. Meanwhile no worker has more calls than it runs at once, which costs
/// throughput where tasks take microseconds.
struct throttle_options {
  /// Percent of one processor: 80 is most of one, 250 is two and a half. Above 0, at most 100 for each usable
  /// CPU. std::nullopt: as much as there is.
  std::optional<double> percent{};
  /// How often the use is looked at, while there is work. Range 1 ms..10 s. Longer is cheaper and more
  /// uneven.
  duration check_every = 50ms;
};

/// Watches the memory of the owner itself: where results pile up there, no limit on workers helps.
struct owner_memory_options {
  /// Bytes of the owner's private memory (resident, and shared with no other process). Above it there is
  /// event_kind::memory_pressure, once each time it is crossed. At least 16 MiB. std::nullopt: no watch.
  std::optional<std::size_t> limit{};
  /// From one look to the next. Above 0.
  duration check_every = 5s;
  /// Above the limit, submit throws memory_pressure.
  bool reject = false;
  /// Above the limit, workers beyond workers.min end as they become idle, and none is added.
  bool shrink = false;
  /// Called once each time the limit is crossed, on the callback executor, to let go of caches and the like.
  /// What it throws is reported on standard error.
  std::function<void()> on_pressure{};
};

/// How a pool finds worker processes that live and do nothing.
///
/// Every `interval` the pool looks at each worker. An idle one has to answer. A busy one cannot; it is well
/// if it has used a processor, finished a task or called this_worker::heartbeat() since, and also if it just
/// waits, for as long as `max_silence` allows. One that was stopped (by SIGSTOP or the like) is never well; a
/// debugger does no harm.
///
/// After the first check that a worker fails it is `unhealthy`: it gets no tasks, and those it has not begun
/// go to others. When it passes one it is as it was. When it has failed `failures` in a row it is killed
/// (death_cause::unresponsive), the task it had begun fails as unexpected_exit, and it is replaced.
struct health_options {
  /// At least 1 ms; std::nullopt: no checks.
  std::optional<duration> interval = 3s;
  /// Range 1..1000.
  int failures = 3;
  /// A busy worker that was silent for so long has failed its check: it has deadlocked. Where it runs several
  /// tasks at once, any of them breaks the silence. Not below `interval`. std::nullopt: a task may wait for
  /// as long as it likes.
  std::optional<duration> max_silence{};
  /// Runs in each idle worker at each check, on a thread that runs tasks; a task that comes meanwhile waits
  /// for it, so it should take much less than `interval`. A worker that is not well by it is replaced as by
  /// limit_options: the new one is ready before it goes, and no task is lost.
  check_function check{};
};

/// A signal on the way from asking a worker process to stop to killing it.
struct stop_signal {
  /// Range 1..64, and one that a process can do something about: not SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU or
  /// SIGCONT, and not SIGRTMAX - 1, which is reserved in workers. SIGKILL can only be the last.
  int signal = SIGTERM;
  /// How long the worker may take after it. 0 or more; after SIGKILL it means nothing.
  duration patience = 10s;
};

/// How process_pool::recycle replaces workers.
struct recycle_options {
  /// So many at a time. Range 1..4096.
  int at_once = 1;
  /// The call returns after so long at the latest. Above 0.
  duration deadline = 60s;
  /// Longest pause between the start of one replacement and that of the next; each is drawn from [0, pause],
  /// so that what new workers load at first is not asked for all at once. 0 or more.
  duration pause = duration::zero();
  /// Runs in each new worker after process_options::init, before it counts as ready: a trial call. Where it
  /// throws, ends the worker, or is not done within process_options::ready_timeout, the worker did not come
  /// up.
  init_function canary{};
};

/// What process_pool::recycle or start changes in the new workers; what is std::nullopt stays as it is. Each
/// is as in process_options, whole: an `env` here replaces the one there.
struct worker_changes {
  std::optional<std::string> cwd{};
  std::optional<std::vector<std::string>> args{};
  std::optional<environment_options> env{};
  std::optional<init_function> init{};
  /// The limits of the operating system, `memory` and `nice`. `tasks`, `age`, `memory_soft` and `jitter`
  /// belong to the pool: they must be what they are.
  std::optional<limit_options> limits{};
};

/// What becomes of a worker process's standard error. The last 64 KiB are kept in any case, for the death
/// report.
enum class worker_stderr : std::uint8_t {
  forward,  ///< Also written to the owner's standard error.
  keep,     ///< Only kept.
};

struct thread_options {
  worker_options workers{};
  scaling_options scaling{};
  muster::strategy strategy = muster::strategy::pull;
  choose_options choose{};
  queue_options queue{};
  retry_options retry{};
  /// Refuses all tasks for a while when too many have failed; for pools whose tasks all depend on one thing.
  /// std::nullopt: never. In a pool with one of these or with `dead_letters` each task takes a lock more.
  std::optional<breaker_options> breaker{};
  /// The same for the tasks of each task_options::label by itself; those without one are not affected. There
  /// are at most 1,024 of these: beyond that, labels that are not in use are forgotten first, and where all
  /// are in use, further ones are let pass.
  std::optional<breaker_options> breaker_per_label{};
  /// So many tasks that failed for good are kept, the oldest go first: see pool_base::dead_letters. They keep
  /// their arguments in memory. Range 0..1'000'000.
  std::size_t dead_letters = 0;
  /// A running task that was cancelled or is past its time is told by its stop token; when it has not
  /// returned after `grace`, event_kind::task_stuck says so. The future of one past its time settles at that
  /// time, that of a cancelled one when the task returns or `grace` is over.
  duration grace = 100ms;
  close_options close{};
  muster::on_post_error on_post_error = muster::on_post_error::report;
  /// Where continuations and event handlers run. Default: one thread of the pool's own.
  executor callbacks{};
  /// Where lines go that tasks log (see log.hpp), and the pool's own (own_log). Default: standard error.
  log_sink log{};
  /// Appears in thread names (its first 10 characters), events and errors.
  std::string name = "muster";
  /// False: nothing runs, and submit throws not_started, until start().
  bool start = true;
  measure_options measure{};
  report_options report{};
  own_log_options own_log{};
  std::shared_ptr<metrics_sink> metrics{};
  arena_options arena{};
  thread_hooks hooks{};
  /// CPUs to pin workers to, the one in slot n to cpus[n % size]: each must be one this process may use.
  /// Empty: wherever the system puts them.
  std::vector<int> cpus{};
  /// Added to the niceness of each worker thread. Range 0..19; 0 is as urgent as the thread that starts it.
  int nice = 0;
};

struct process_options {
  worker_options workers{};
  scaling_options scaling{};
  muster::strategy strategy = muster::strategy::pull;
  choose_options choose{};
  queue_options queue{};
  retry_options retry{};
  /// Refuses all tasks for a while when too many have failed; for pools whose tasks all depend on one thing.
  /// std::nullopt: never. In a pool with one of these or with `dead_letters` each task takes a lock more.
  std::optional<breaker_options> breaker{};
  /// The same for the tasks of each task_options::label by itself; those without one are not affected. There
  /// are at most 1,024 of these: beyond that, labels that are not in use are forgotten first, and where all
  /// are in use, further ones are let pass.
  std::optional<breaker_options> breaker_per_label{};
  /// So many tasks that failed for good are kept, the oldest go first: see pool_base::dead_letters. They keep
  /// their arguments in memory. Range 0..1'000'000.
  std::size_t dead_letters = 0;
  limit_options limits{};
  muster::isolation isolation = muster::isolation::contain;
  /// With lifetime::per_task, `limits.tasks` and `limits.memory_soft` are refused: they say when a worker
  /// that has served is replaced.
  muster::lifetime lifetime = muster::lifetime::lasting;
  throttle_options throttle{};
  owner_memory_options owner_memory = owner_memory_options();  // g++ 12 warns of {} in its user's code
  /// A running task that was cancelled or is past its run timeout is told by its stop token, and its worker
  /// is ended after `grace`; 0: without waiting. The future of one past its time settles at that time, that
  /// of a cancelled one when the task returns or `grace` is over. Before it is ended, a worker is asked
  /// where it is (by SIGRTMAX - 1, which is reserved in workers), for the death report: that takes a moment,
  /// and at most 100 ms where it does not answer.
  duration grace = 100ms;
  /// What a worker gets between `grace` and SIGKILL, in this order: `.stop = {{.signal = SIGTERM, .patience =
  /// 10s}}`. At most 8, each signal once. Empty: SIGKILL right after `grace`. It is for a worker whose task
  /// does not stop, as above, which goes no further once the task has ended; and for one that shall end with
  /// the pool and does not. `terminate` leaves it out.
  ///
  /// A worker that handles the first of these signals also gets it when it ends in peace, after its last
  /// task: so a handler may always clean up. It may end the worker with `_exit(0)`, or just return.
  std::vector<stop_signal> stop{};
  health_options health{};
  /// A worker that is not ready after this time is killed and counts as one that could not be started.
  duration ready_timeout = 10s;
  /// When workers that died are replaced, and when no longer for a while.
  restart_options restart{};
  /// For tasks under which workers die again and again. std::nullopt: none is set aside.
  std::optional<quarantine_options> quarantine{};
  environment_options env{};
  /// Working directory of the workers; it must exist. Empty: the owner's at muster::init.
  std::string cwd{};
  /// For the code in the workers, which gets them by muster::worker_arguments. With the environment at most
  /// 60 KiB, or workers do not come up.
  std::vector<std::string> args{};
  /// Runs in each worker before its first task, once, on its main thread.
  init_function init{};
  /// The program to run as worker, for a host whose `main` is not yours; its `main` calls muster::init.
  /// Empty: this program.
  std::string program{};
  muster::worker_stderr worker_stderr = muster::worker_stderr::forward;
  /// What shall go wrong in workers, for tests: see muster/fault.hpp. At most 64.
  std::vector<fault> faults{};
  /// Bytes of memory in which arguments of more than 64 KiB travel to workers, kept to be used again: each is
  /// copied once, into it. What finds no room travels in a file of its own, which costs several times as
  /// much. 0: all do. Nothing is taken before the first. Range 0..1 TiB.
  std::size_t argument_memory = std::size_t{256} << 20U;
  /// A worker without calls, and a thread that waits for what a worker answers, look for so long before they
  /// sleep: one call after the other then costs about a microsecond, not the time that it takes to wake two
  /// threads. Each of them has a CPU to itself meanwhile, so it is for programs that have some to spare; they
  /// do not look while both are on the same CPU. Range 0..10 ms; 0: they sleep at once.
  duration spin{};
  close_options close{};
  muster::on_post_error on_post_error = muster::on_post_error::report;
  /// Where continuations and event handlers run. Default: one thread of the pool's own.
  executor callbacks{};
  /// Where lines go that tasks log (see log.hpp). Default: the owner's standard error.
  log_sink log{};
  /// Appears in process names (its first 10 characters), events and errors.
  std::string name = "muster";
  /// False: nothing runs, and submit throws not_started, until start().
  bool start = true;
  measure_options measure{};
  report_options report{};
  own_log_options own_log{};
  std::shared_ptr<metrics_sink> metrics{};
  arena_options arena{};
  process_hooks hooks{};
  /// As thread_options::cpus.
  std::vector<int> cpus{};
};

/// What becomes of what a task writes to descriptors 1 and 2 (printf, std::cout, std::cerr, programs it
/// starts) while it runs. Only in process pools with workers.at_once = 1 (invalid_options elsewhere): a
/// process has one standard output.
enum class capture : std::uint8_t {
  off,      ///< Standard output is the owner's; standard error is the worker's, see worker_stderr.
  keep,     ///< Kept with the task: see future::output.
  forward,  ///< Also written to the owner's standard error when the attempt has ended, each line after
            ///< "[pool-slot task 17 (id)] ".
};

/// What a task printed in its last attempt: the last 64 KiB of each of its two outputs.
struct task_output {
  std::string out{};              ///< Descriptor 1, standard output.
  std::string err{};              ///< Descriptor 2, standard error.
  std::uint64_t out_dropped = 0;  ///< So many bytes came before `out`.
  std::uint64_t err_dropped = 0;  ///< So many bytes came before `err`.
};

/// How far a task is, as it said with context::progress.
struct task_progress {
  double fraction = 0;  ///< From 0 to 1.
  std::string text{};
  std::uint64_t task = 0;
  std::string task_id{};
};
using progress_handler = std::function<void(const task_progress&)>;

/// What can be chosen for one task: `pool.submit({.priority = muster::priority::high, .run_timeout = 2s}, f,
/// 1)`.
struct task_options {
  muster::priority priority = muster::priority::normal;
  /// Longest wait for a worker; then task_timeout, and it never runs.
  std::optional<duration> queue_timeout{};
  /// Longest run (each attempt). The future then settles as task_timeout at once, whatever the task still
  /// returns; the task is told to stop, and a process that has not after the pool's `grace` is ended.
  std::optional<duration> run_timeout{};
  /// From submit to settle, waits, runs and retries together; then as with run_timeout.
  std::optional<duration> deadline{};
  /// A request on this token cancels the task.
  std::stop_token stop{};
  /// Your own name for the task; comes back in errors and events. See also quarantine_options.
  std::string id{};
  /// Instead of the pool's: `.retry = muster::retry_options{.attempts = 1}`.
  std::optional<retry_options> retry{};
  /// Keep where and when it ran, for future::report.
  bool report = false;
  /// What becomes of what it prints.
  muster::capture capture = muster::capture::off;
  /// Called on the callback executor with the newest of what the task says with context::progress, one call
  /// after the other; what was replaced by newer before its turn is skipped. The last call comes before the
  /// continuations of its future run.
  progress_handler on_progress{};
  /// For pool.stream: how many chunks may be unread before the task waits. Range 1..65535.
  std::size_t chunks_ahead = 16;
  /// For pool.map and map_unordered: so many elements make one task, a frame, which is sent and counted as
  /// one. For functions that take less time than it takes to hand over a call (about a microsecond). Results
  /// are read element by element as always, and what the function throws is that element's own. What befalls
  /// the task (a death of its worker, a timeout, a cancel) befalls all its elements, all other options hold
  /// for it as a whole, and it runs again as a whole. A frame ends early where its arguments have 32 KiB.
  /// Elements of frames cannot hold descriptors or buffers in a process pool. Range 1..1'000'000; 1: each is
  /// a task of its own.
  std::size_t per_task = 1;
  /// What kind of work this is ("thumbnail"), for grouping: comes back in errors, events, log lines and
  /// metrics, and in the task by context::label. At most 256 bytes. See
  /// also process_options::breaker_per_label.
  std::string label{};
  /// The trace it belongs to, see trace.hpp. Default: that of the task which submits it, if any.
  trace_context trace{};
  /// Tasks of one key run one after the other, in the order they were submitted, or so many at once as
  /// key_options says; other tasks do not wait for them. With strategy::key they go to one worker instead,
  /// see affinity. At most 256 bytes. Empty: none.
  std::string key{};
  /// What the task weighs for queue_options::bytes, besides encoded arguments.
  std::size_t bytes = 0;
};

}  // namespace muster
