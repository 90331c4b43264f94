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
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "engine/lifecycle.hpp"
#include "engine/plan_words.hpp"
#include "policy/backoff.hpp"
#include "policy/crossing.hpp"
#include "policy/pace.hpp"
#include "policy/quarantine.hpp"
#include "policy/restart_limit.hpp"
#include "policy/scaler.hpp"

namespace muster::engine {

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

    // Nobody waits for the new one: it takes an empty place.
    [[nodiscard]] bool stands_alone() const { return old_gone || old_left; }
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
  void leave_exchange(std::uint32_t slot, bool exchange::* how);
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
