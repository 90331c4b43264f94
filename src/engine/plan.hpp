// SPDX-License-Identifier: MIT
#pragma once

// Decides everything about a pool that takes more than a glance: when workers start, end and are killed, what
// becomes of a task that failed, is late or was cancelled, and when the pool is done. It takes what happened
// and the time, and answers with actions. No threads, no clock, no I/O: the engine's loop owns it and
// performs what it says, and a simulation drives the same code through years of virtual time.
//
// It knows workers by slot and generation, and only the tasks that need it (`task_watched`): those with a
// timeout, a stop token or a retry, and those somebody wants to cancel while they run. All others pass it by.
//
// Cost: O(log n) an event, n the timers in use; start and end of a worker O(log workers).

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <muster/error.hpp>
#include <muster/event.hpp>
#include <muster/options.hpp>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "engine/lifecycle.hpp"
#include "policy/backoff.hpp"
#include "policy/crossing.hpp"
#include "policy/pace.hpp"
#include "policy/quarantine.hpp"
#include "policy/restart_limit.hpp"
#include "policy/retry.hpp"
#include "policy/scaler.hpp"

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

class plan {
public:
  explicit plan(const plan_settings& settings);
  // Of the life after `before`, in the same slots, and with their generations counted on: nobody takes news
  // of that life's workers for news of this one's. Those are born with these settings.
  plan(const plan_settings& settings, const plan& before, edition born_with);

  void observe(const occurrence& what, time_point now);
  // What to do now; none: nothing until wake_at() or the next event. Call until none.
  std::optional<action> next(time_point now);
  [[nodiscard]] time_point wake_at() const;

  // Another backlog event would be of use: fewer workers than allowed, and the pool is not stopping.
  [[nodiscard]] bool may_grow() const { return at_work() && wanted_ < most() && !must_shrink(); }
  // And which.
  [[nodiscard]] policy::growth_signal listens_for() const { return scaler_.listen(sharing().staying); }
  [[nodiscard]] bool ready_once() const { return ready_once_; }
  [[nodiscard]] bool degraded() const { return start_failures_ > 0 || resting_ > 0; }
  // Stopping, and no worker is left.
  [[nodiscard]] bool finished() const { return phase_ == phase::finished; }
  [[nodiscard]] int live() const { return live_; }
  // Of settings: what is in force, or would be if a recycle that is under way fails.
  [[nodiscard]] edition settled() const;
  // How many workers there are to be, and the bounds for that.
  [[nodiscard]] int wanted() const { return wanted_; }
  [[nodiscard]] int min() const { return settings_.min; }
  [[nodiscard]] int max() const { return settings_.max; }

private:
  friend struct inspector;  // tests look inside
  enum class phase : std::uint8_t { idle, serving, draining, ending, finished };
  enum class timer : std::uint8_t {
    restart,
    shrink,
    stop,
    give_up,
    worker_ready,
    worker_end,
    task,
    worker_age,
    recycle,
    exchange,
    look,
    owner_memory,
    report,
    start,
    slot_rest
  };
  struct worker_record {
    std::uint32_t generation = 0;
    worker_state state = worker_state::dead;
    std::optional<time_point> due{};  // ready by, or gone by
    time_point ready_at{};
    // Of it and those it replaced: when the first was ready, and since when they have had no task, where this
    // one has had none either.
    time_point in_place_since{}, unused_since{};
    edition born_with = 0;
    duration age{};  // how old it may become, drawn for it
    std::optional<time_point> ages_at{};
    bool aged = false;     // it reached that age once
    recycle_reason why{};  // it is worn
    bool worn = false;     // it waits to be replaced, or is
    bool overdue = false;  // and has reached twice what it may
    // It is the old one of an exchange, or the new one that is not ready and for which the old one waits.
    bool exchanged = false;
    std::size_t signals = 0;                  // of settings.stop, that it got since it was told to end
    bool hurried = false;                     // the time it has to end was cut short, which is done once
    int failed_looks = 0;                     // in a row
    bool unresponsive = false;                // and it was killed for that
    std::string ailment{};                    // what it said of its health
    bool spent = false;                       // it has the one task that it may have, and gets no other
    policy::restart_limit deaths{};           // in this slot
    std::optional<time_point> rests_until{};  // there were too many of them
  };
  // A worker and its replacement, from the start of the new one to the end of the old one.
  struct exchange {
    std::uint32_t old_slot = 0, new_slot = 0;
    recycle_reason why{};
    bool old_leaves = false;  // the new one is ready, and the old one was told
    bool old_gone = false;    // it ended by itself before
    bool old_left = false;    // it leaves by itself before
    std::uint64_t call = 0;   // of recycle, that asked for it
  };
  // A recycle that was asked for.
  struct recycling {
    std::uint64_t call = 0;
    int at_once = 1;
    std::vector<worker_id> left{};  // those that are not gone yet
    std::vector<worker_id> late{};  // and those that came later, with settings that are to go; not counted
    std::size_t replaced = 0;
    bool failed = false;  // a new one did not come up: nobody more is replaced
    bool one = false;     // of a single worker
    std::optional<edition> changed{};
    std::optional<edition> before{};  // what was in force, once the changed settings are
    duration pause{};                 // at most so long between two exchanges
  };
  struct task_record {
    std::optional<time_point> start_by, settle_by, finish_by, gone_by, retry_at;
    bool begun = false;  // start_by rests, and counts again should the task come back
    worker_id worker{};
    death_cause told_why{};
    std::size_t signals = 0;                  // of settings.stop, that its worker got for it
    std::optional<time_point> judged_from{};  // whether a mass of workers died is known from then on
    std::string suspect{};                    // to be judged at retry_at
    bool again = false;                       // and run again at retry_at, where that is not guilty
    std::optional<time_point> timer{};
  };
  struct crowd {
    int staying, up;
  };
  // How many tasks wait, and which: see policy::crowd_seen.
  struct queue_seen {
    std::size_t queued;
    std::uint64_t next, newest;
  };
  using timer_key = std::tuple<time_point, timer, std::uint64_t>;

  void on(const happened::start_asked&, time_point now);
  void on(const happened::worker_ready&, time_point now);
  void on(const happened::worker_ended&, time_point now);
  void on(const happened::worker_worn&, time_point now);
  void on(const happened::worker_looked_at&, time_point now);
  void on(const happened::worker_leaves&, time_point now);
  void on(const happened::worker_spared&, time_point now);
  void on(const happened::worker_used&, time_point now);
  void on(const happened::recycle_asked&, time_point now);
  void on(const happened::recycle_given_up&, time_point now);
  void on(const happened::backlog&, time_point now);
  void on(const happened::resize_asked&, time_point now);
  void on(const happened::blocking_changed&, time_point now);
  void on(const happened::surveyed&, time_point now);
  void on(const happened::owner_looked_at&, time_point now);
  void on(const happened::reported&, time_point now);
  void on(const happened::task_watched&, time_point now);
  void on(const happened::task_began&, time_point now);
  void on(const happened::task_returned&, time_point now);
  void on(const happened::task_told&, time_point now);
  void on(const happened::task_over&, time_point now);
  void on(const happened::attempt_failed&, time_point now);
  void on(const happened::stop_asked&, time_point now);
  void on(const happened::drained&, time_point now);

  void due(timer which, std::uint64_t key, time_point now);
  void task_due(task_id id, time_point now);
  void worker_end_due(std::uint32_t slot, time_point now);

  [[nodiscard]] bool at_work() const { return phase_ == phase::serving || phase_ == phase::draining; }
  void start_workers(time_point now);
  std::uint32_t start_one(edition born_with, time_point now);  // in which slot
  void pause_before_restart(bool came_up, time_point now);
  void recover();
  void step(worker_record& worker, worker_event event);
  void retire(std::uint32_t slot, time_point now);
  void retire_all(time_point now);
  void end_grace(time_point now);
  stop_signal next_signal(std::size_t& signals) const;  // after so many of settings.stop; SIGKILL at last
  [[nodiscard]] duration leaving_time() const;
  void set_due(std::uint32_t slot, timer which, std::optional<time_point> at);
  void rearm(task_id id, task_record& record);

  // --- plan_scaling.cpp
  void grow(const policy::crowd_seen& seen, std::size_t queued, time_point now);
  [[nodiscard]] policy::crowd_seen seen_now(const crowd& workers, int free, const queue_seen& waits) const;
  void hurry_those_leaving(time_point now);
  void give_up_surplus(const std::vector<happened::surveyed::idle_worker>& idle, int blocked, time_point now);
  time_point let_go(const std::vector<happened::surveyed::idle_worker>& idle, const policy::crowd_seen& seen,
                    time_point now);
  void rearm_look(time_point now, std::optional<time_point> next = std::nullopt);
  void change_bounds(const char* reason, time_point now);
  [[nodiscard]] bool may_start(time_point now);
  // Workers that may live: more than settings.max while tasks say that they block.
  [[nodiscard]] int most() const { return settings_.max + std::min(blocking_, settings_.max); }
  [[nodiscard]] int most_alive() const { return settings_.one_task ? 2 * most() : most(); }
  void say_scaled(int from, const std::string& reason);

  // --- plan_failing.cpp
  bool rest_slot(std::uint32_t slot, time_point now);  // whether it does
  void slot_rested(std::uint32_t slot, time_point now);
  void retry_due(task_id id, task_record& record, time_point now);

  // --- plan_health.cpp
  void begin_looking(time_point now);
  void look_due(time_point now);

  // --- plan_reporting.cpp
  void report_due(time_point now);

  // --- plan_recycle.cpp
  void wear(std::uint32_t slot, recycle_reason why, bool overdue);
  void recycle(time_point now);
  void recycle_as_asked(time_point now);
  void pause_before_next(const recycling& r, time_point now);
  [[nodiscard]] bool is_gone(worker_id w) const;
  [[nodiscard]] bool is_leaving(const recycling& r) const;
  void end_recycling(todo::recycle_over::end how);
  void begin_exchange(std::uint32_t old_slot, recycle_reason why, edition born_with, std::uint64_t call,
                      time_point now);
  void put_in_force(std::uint64_t call);
  void roll_back(recycling& r, time_point now);
  void add_late(recycling& r);
  [[nodiscard]] bool is_complete(const recycling& r) const;
  void leave_exchange(std::uint32_t slot);
  void replace_old(std::uint32_t new_slot, time_point now);
  bool end_exchange(std::uint32_t slot, bool had_tasks, bool was_told, time_point now);
  std::optional<std::uint64_t> draw_life(worker_record& worker);  // how many tasks it may serve
  void set_age(std::uint32_t slot, std::optional<time_point> at);
  void age_due(std::uint32_t slot, time_point now);
  void wears_no_more(std::uint32_t slot);
  [[nodiscard]] int under_way(recycle_reason why) const;
  [[nodiscard]] int most_under_way() const;
  // Workers whose replacement is alive beside them; and those of them that were not told to go yet.
  [[nodiscard]] int pairs() const;
  [[nodiscard]] int extra() const;
  // Those that live and are to stay, without replacements that are not ready.
  [[nodiscard]] int staying() const { return live_ - leaving_ - spent_ - extra(); }
  // Those that are ready for tasks.
  [[nodiscard]] int up() const { return live_ - leaving_ - starting_ - spent_; }
  // Of both, those that share what waits: not those that are never chosen for it.
  [[nodiscard]] crowd sharing() const;
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool must_shrink() const { return pressed_ && settings_.owner_memory->shrink; }
  void spend(std::uint32_t slot, bool spent);

  void say(event_kind kind, std::string text) { todo_.emplace_back(todo::announce{kind, std::move(text)}); }
  void set_one_shot(timer which, std::optional<time_point>& field, std::optional<time_point> at);
  [[nodiscard]] bool current(worker_id worker) const {
    return worker.slot < workers_.size() && workers_[worker.slot].generation == worker.generation;
  }

  plan_settings settings_;
  base::random dice_;
  phase phase_ = phase::idle;
  std::deque<action> todo_;
  std::set<timer_key> timers_;

  std::vector<worker_record> workers_;  // by slot
  std::set<std::uint32_t> free_slots_;  // dead ones
  int live_ = 0;                        // starting or better, stopping ones included
  int leaving_ = 0;                     // of these, stopping
  int starting_ = 0;
  int spent_ = 0;     // of those that live and are not told to end
  int wanted_ = 0;    // what scaling and min ask for
  int blocking_ = 0;  // tasks that say that they block
  policy::scaler scaler_;
  std::optional<policy::pace> starts_{};  // once the first workers are on their way
  int start_failures_ = 0;                // in a row, since a worker was ready
  int resting_ = 0;                       // slots that are empty because workers died there too often
  std::optional<policy::quarantine> quarantine_{};
  int idle_deaths_ = 0;  // of workers that were ready and had had no task; in a row until idle_row_until_
  time_point idle_row_until_ = time_point::min();
  bool pause_after_idle_death_ = false;  // what restart_at_ waits for
  bool ready_once_ = false;
  std::optional<time_point> restart_at_{};  // not before; none: at once
  std::optional<time_point> shrink_at_{};   // when to survey, also because growing was put off
  std::optional<time_point> start_at_{};    // when starts_ allows another
  std::optional<time_point> look_at_owner_at_{};
  bool pressed_ = false;  // the owner's memory was above its limit when last seen
  std::optional<time_point> stop_by_{};
  std::optional<time_point> give_up_by_{};
  std::optional<time_point> look_at_{};  // none while no worker is up
  std::optional<time_point> report_at_{};
  policy::crossing backing_up_{};

  std::array<std::deque<worker_id>, recycle_reasons> worn_;  // who waits to be replaced, in order
  std::vector<exchange> exchanges_;
  edition edition_ = 0;                           // in force: who starts is born with it
  std::deque<recycling> asked_;                   // the first is under way
  std::optional<time_point> exchange_at_{};       // its next exchange begins then; none: at once
  int overdue_ = 0;                               // workers that are, of those that stay
  int recycle_failures_ = 0;                      // replacements that did not come up, in a row
  std::optional<time_point> recycle_again_at_{};  // not before

  std::unordered_map<task_id, task_record> tasks_;
};

}  // namespace muster::engine
