// SPDX-License-Identifier: MIT
#pragma once

// The words between the plan and who acts for it: what the plan is told once (plan_settings), what it is told
// as it happens (happened::…), and what it says is to be done (todo::…). Values only.

#include <csignal>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/error.hpp>
#include <muster/event.hpp>
#include <muster/options.hpp>

#include "base/clock.hpp"
#include "policy/retry.hpp"

namespace muster::engine {

using base::time_point;

struct worker_id {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend bool operator==(worker_id, worker_id) = default;
};
using task_id = std::uint64_t;

// When a worker has served long enough and is replaced. Each worker's own limit is drawn from the part
// [1 - jitter, 1] of it.
struct life_settings {
  std::optional<std::uint64_t> tasks{};
  std::optional<duration> age{};
  double jitter = 0.1;
};

// When the owner's own memory is too much.
struct owner_memory_settings {
  std::size_t limit = 0;  // bytes
  duration check_every = std::chrono::seconds(5);
  bool shrink = false;  // then: no workers beyond min
};

// Why a worker is replaced while it lives.
enum class recycle_reason : std::uint8_t { tasks, age, memory, health, asked, rolled_back };
inline constexpr std::size_t recycle_reasons = 6;

// How often workers are looked at, and how many failed looks in a row are the end of one.
struct health_settings {
  std::optional<duration> interval{};  // none: never
  int failures = 3;
};

// How often the pool is looked at for its watchers.
struct report_settings {
  duration every = std::chrono::seconds(5);
  std::optional<unsigned> backing_up_at{};  // queued tasks for each worker
};

// With which settings a worker is born, by a number; the plan knows no more of them. The first are number 0.
using edition = std::uint64_t;

// What the plan needs to know once, all checked before.
struct plan_settings {
  int min = 1;
  int max = 1;
  duration idle_timeout = std::chrono::seconds(10);
  duration grace = std::chrono::milliseconds(100);
  scaling_options scaling{};
  std::optional<duration> ready_timeout{};  // none: workers are ready when they start
  restart_options restart{};
  life_settings life{};
  std::vector<stop_signal> stop{};  // between grace and SIGKILL; only where workers can be killed
  health_settings health{};
  std::optional<owner_memory_settings> owner_memory{};
  std::optional<quarantine_options> quarantine{};
  std::optional<report_settings> report{};
  std::vector<std::uint32_t> never_chosen{};  // slots that get nothing of what waits: their weight is 0
  int at_once = 1;                            // tasks that a worker runs at the same time
  bool one_task = false;                      // a worker gets one task, and ends after it
  bool can_kill = false;
  std::uint64_t seed = 1;
};

// Which limit a task passed.
enum class limit : std::uint8_t { queue_timeout, run_timeout, deadline };

// What happened.
namespace happened {

struct start_asked {};

struct worker_ready {
  worker_id worker;
};

// It is gone and reaped. One that ends without having been given a task counts as one that could not be
// started.
struct worker_ended {
  worker_id worker;
  bool had_tasks = false;
  bool by_us = false;  // we ended it, because of its task or because it was not needed
};

// It has reached what it may reach. `overdue`: twice that.
struct worker_worn {
  worker_id worker;
  recycle_reason why;
  bool overdue = false;
  std::string detail{};  // about its health
};

// Somebody looked at it. `seen`: what was wrong, where something was.
struct worker_looked_at {
  worker_id worker;
  bool is_well = true;
  std::string seen{};
};

// It ends after its present task, of its own will.
struct worker_leaves {
  worker_id worker;
};

// It has a task, and was left alone because of that.
struct worker_spared {
  worker_id worker;
};

// Where a worker gets one task only: it was given its task; that was taken back before it began; it is done.
struct worker_used {
  worker_id worker;
  enum class use : std::uint8_t { given, returned, done } how;
};

// Every worker there is now, or the one in this slot, shall be replaced; recycle_over answers.
struct recycle_asked {
  std::uint64_t call;  // a number for it; not 0
  std::optional<std::uint32_t> slot{};
  int at_once = 1;
  std::optional<edition> changed{};  // the new ones have these settings, which then are in force; or nobody
  duration pause{};                  // at most so long between two exchanges
};

// Whoever asked waits no longer.
struct recycle_given_up {
  std::uint64_t call;
};

// Tasks wait, and no worker is free; or few are, where the plan listens for that (listens_for).
struct backlog {
  std::size_t queued;
  int free = 0;                        // workers that could take one
  std::uint64_t next = 0, newest = 0;  // tasks, see policy::crowd_seen
};

struct resize_asked {
  int min, max;
};

// One more task says that it blocks (1), or one less (-1).
struct blocking_changed {
  int by;
};

// The answer to survey_workers: workers with nothing to do, and what waits.
struct surveyed {
  struct idle_worker {
    worker_id worker;
    time_point since;
  };
  std::vector<idle_worker> idle;
  std::size_t queued = 0;
  std::uint64_t next = 0, newest = 0;  // as in backlog
  int blocked = 0;                     // busy ones that wait for other tasks of the pool
  // So many could take what waits: fewer than are idle where the strategy leaves some out.
  int free = std::numeric_limits<int>::max();
};

// The answer to look_at_owner: the private memory of this process.
struct owner_looked_at {
  std::size_t bytes;
};

// The answer to make_report: so many tasks wait.
struct reported {
  std::size_t queued;
};

struct task_watched {
  task_id task;
  std::optional<time_point> start_by, settle_by;
};

struct task_began {
  task_id task;
  worker_id worker;
  std::optional<time_point> finish_by;
};

// Taken back before it began: it is queued again.
struct task_returned {
  task_id task;
};

// Its stop token was asked to stop.
struct task_told {
  task_id task;
  worker_id worker;
  death_cause why;
};

// Nothing more will happen to it.
struct task_over {
  task_id task;
};

struct attempt_failed {
  task_id task;
  int attempt;
  retry_options retry;
  policy::failure why;
  // Where retry.when has a word: it is being asked, and this comes once more when it has answered; a no makes
  // the failure permanent.
  enum class question : std::uint8_t { none, pending, answered } asked{};
  std::string suspect{};  // on whom the death of the worker is blamed; empty: on nobody
  bool outranks = false;  // the task has attempts of its own, so it is not set aside
};

// At once: no grace either.
struct stop_asked {
  time_point deadline;
  bool at_once = false;
};

// No task is unsettled.
struct drained {};

}  // namespace happened

using occurrence =
    std::variant<happened::start_asked, happened::worker_ready, happened::worker_ended, happened::worker_worn,
                 happened::worker_looked_at, happened::worker_leaves, happened::worker_spared,
                 happened::worker_used, happened::recycle_asked, happened::recycle_given_up,
                 happened::backlog, happened::resize_asked, happened::blocking_changed, happened::surveyed,
                 happened::owner_looked_at, happened::reported, happened::task_watched, happened::task_began,
                 happened::task_returned, happened::task_told, happened::task_over, happened::attempt_failed,
                 happened::stop_asked, happened::drained>;

// What is to be done.
namespace todo {

struct start_worker {
  worker_id worker;
  std::optional<std::uint64_t> tasks{};  // worker_worn is to be told when it has served so many
  edition born_with = 0;
};

// No more tasks; end after what it has.
struct retire_worker {
  worker_id worker;
};

struct kill_worker {
  worker_id worker;
  death_cause why;
  bool unless_busy = false;  // leave it alone while it has a task, and say worker_spared
};

// One that was asked to end, and did not.
struct signal_worker {
  worker_id worker;
  int signal;
  bool unless_busy = false;  // as above
};

// Each look is answered by worker_looked_at.
struct look_at_workers {};

// No more tasks for it, and those it has not begun go to others; until it is trusted again.
struct doubt_worker {
  worker_id worker;
};
struct trust_worker {
  worker_id worker;
};

struct survey_workers {};

// How much memory does this process have?
struct look_at_owner {};

// For those who watch.
struct make_report {};

// That is too much from now on, or no longer.
struct press {
  bool on;
  std::size_t bytes;
};

// Settle as task_timeout; when it runs, tell it.
struct expire_task {
  task_id task;
  limit which;
};

// It was told, and may not have stopped: if that worker still has it, settle it and send the worker this
// signal, SIGKILL at last; a thread is stuck.
struct give_up_task {
  task_id task;
  worker_id worker;
  death_cause why;
  int signal = SIGKILL;
};

// Queue it again, before its equals.
struct retry_task {
  task_id task;
};

// Settle it with the error of its last attempt.
struct fail_task {
  task_id task;
};

// The same, and keep those like it away.
struct quarantine_task {
  task_id task;
};

// The stop deadline passed.
struct cancel_all {};

// What became of a recycle that was asked for.
struct recycle_over {
  std::uint64_t call;
  enum class end : std::uint8_t { all_done, failed, given_up, stopped, no_such_worker } how;
  std::size_t replaced = 0, leaving = 0, kept = 0;
  bool rolled_back = false;  // the changed settings, or the rest of those to be replaced
  edition in_force = 0;
};

struct announce {
  event_kind kind;
  std::string text;
  std::optional<worker_id> worker{};
  std::pair<int, int> sizes{};  // of the pool, before and now: scaled
};

}  // namespace todo

using action = std::variant<todo::start_worker, todo::retire_worker, todo::kill_worker, todo::signal_worker,
                            todo::look_at_workers, todo::doubt_worker, todo::trust_worker,
                            todo::survey_workers, todo::look_at_owner, todo::make_report, todo::press,
                            todo::expire_task, todo::give_up_task, todo::retry_task, todo::fail_task,
                            todo::quarantine_task, todo::cancel_all, todo::recycle_over, todo::announce>;

}  // namespace muster::engine
