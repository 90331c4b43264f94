// SPDX-License-Identifier: MIT
#include "engine/plan.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace muster::engine {

namespace {

std::optional<time_point> earliest(std::initializer_list<std::optional<time_point>> times) {
  std::optional<time_point> first;
  for (const auto& t : times)
    if (t && (!first || *t < *first)) first = t;
  return first;
}

}  // namespace

plan::plan(const plan_settings& settings)
    : settings_(settings), dice_(settings.seed), scaler_(settings.scaling, settings.idle_timeout) {
  if (settings.quarantine) quarantine_.emplace(*settings.quarantine);
  MUSTER_ASSERT(settings.min >= 0 && settings.max >= std::max(1, settings.min));
}

plan::plan(const plan_settings& settings, const plan& before, edition born_with) : plan(settings) {
  edition_ = born_with;
  workers_.resize(before.workers_.size());
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    workers_[slot].generation = before.workers_[slot].generation;
    free_slots_.insert(slot);
  }
}

void plan::observe(const occurrence& what, time_point now) {
  std::visit([&](const auto& event) { on(event, now); }, what);
}

std::optional<action> plan::next(time_point now) {
  while (todo_.empty() && !timers_.empty() && std::get<0>(*timers_.begin()) <= now) {
    const auto [at, which, key] = *timers_.begin();
    timers_.erase(timers_.begin());
    due(which, key, now);
  }
  if (todo_.empty()) return std::nullopt;
  action first = std::move(todo_.front());
  todo_.pop_front();
  return first;
}

time_point plan::wake_at() const {
  if (!todo_.empty()) return time_point::min();
  return timers_.empty() ? base::never : std::get<0>(*timers_.begin());
}

// ---------------------------------------------------------------------------------------------------------
// workers

void plan::on(const happened::start_asked&, time_point now) {
  if (phase_ != phase::idle) return;
  phase_ = phase::serving;
  wanted_ = settings_.min;
  start_workers(now);
  if (const auto rate = settings_.scaling.starts_per_second)
    starts_.emplace(*rate, static_cast<std::int64_t>(std::max(1.0, *rate)));
  if (settings_.owner_memory) set_one_shot(timer::owner_memory, look_at_owner_at_, now);
  if (settings_.report) set_one_shot(timer::report, report_at_, base::after(now, settings_.report->every));
  if (settings_.min == 0) {  // nobody to wait for
    ready_once_ = true;
    say(event_kind::started, "started with no worker; the first task brings one");
  }
}

void plan::on(const happened::worker_ready& event, time_point now) {
  if (!current(event.worker)) return;
  worker_record& worker = workers_[event.worker.slot];
  step(worker, worker_event::ready);
  if (worker.state == worker_state::stopping) return;  // the order to end crossed with this news
  --starting_;
  worker.ready_at = worker.in_place_since = worker.unused_since = now;
  set_due(event.worker.slot, timer::worker_ready, std::nullopt);
  // One that comes up proves that starting works. It does not prove that those live who died right after it.
  if (!pause_after_idle_death_) set_one_shot(timer::restart, restart_at_, std::nullopt);
  if (start_failures_ > 0 && !restart_at_) recover();
  if (!ready_once_ && live_ - starting_ >= settings_.min) {
    ready_once_ = true;
    say(event_kind::started, "the first workers are ready");
  }
  if (worker.age > duration::zero()) set_age(event.worker.slot, base::after(now, worker.age));
  begin_looking(now);
  replace_old(event.worker.slot, now);
  start_workers(now);
  rearm_look(now);
  recycle_as_asked(now);
}

void plan::on(const happened::worker_ended& event, time_point now) {
  if (!current(event.worker)) return;
  worker_record& worker = workers_[event.worker.slot];
  if (worker.state == worker_state::dead) return;
  const bool wanted_gone = worker.state == worker_state::stopping;
  const bool came_up = worker.state != worker_state::starting;
  const bool unforeseen = !wanted_gone && !event.by_us;
  if (unforeseen && quarantine_) quarantine_->worker_died(live_, now);
  if (!came_up) --starting_;
  if (wanted_gone) --leaving_;
  spend(event.worker.slot, false);
  set_due(event.worker.slot, timer::worker_end, std::nullopt);
  if (!wanted_gone) wears_no_more(event.worker.slot);
  step(worker, worker_event::end);
  --live_;
  if (!unforeseen || !rest_slot(event.worker.slot, now)) free_slots_.insert(event.worker.slot);
  const bool nobody_misses_it = end_exchange(event.worker.slot, event.had_tasks, wanted_gone, now);
  if (at_work() && staying() > most_alive()) todo_.emplace_back(todo::survey_workers{});  // of an exchange

  // Those that fail while there is a pause already belong to the same try.
  const bool is_start_failure = !wanted_gone && !event.had_tasks && !worker.unresponsive;
  if (is_start_failure && at_work() && !restart_at_ && !nobody_misses_it) {
    if (++start_failures_ == 1 && resting_ == 0)
      say(event_kind::degraded, came_up ? "a worker died before its first task; trying again with pauses"
                                        : "a worker did not come up; trying again with pauses");
    pause_before_restart(came_up, now);
  }
  start_workers(now);
  recycle_as_asked(now);
  if (phase_ == phase::ending && live_ == 0) phase_ = phase::finished;
}

// Readiness ends a row of failed starts, so a worker that dies each time right after it would never see a
// longer pause: those deaths are a row of their own, which ends when there was none for a while.
void plan::pause_before_restart(bool came_up, time_point now) {
  if (now > idle_row_until_) idle_deaths_ = 0;
  if (came_up) ++idle_deaths_;
  pause_after_idle_death_ = came_up;
  const int failures = std::max(start_failures_, idle_deaths_);
  const time_point again = base::after(now, policy::pause(settings_.restart.backoff(), failures, dice_));
  set_one_shot(timer::restart, restart_at_, again);
  idle_row_until_ = base::after(base::after(again, settings_.ready_timeout.value_or(duration::zero())),
                                settings_.restart.max);
}

void plan::start_workers(time_point now) {
  if (!at_work() || restart_at_) return;
  wanted_ = std::clamp(wanted_, settings_.min, most());
  // A replacement may start beside a worker that is leaving, but never more than max are alive, beside those
  // that are being recycled. While workers do not come up, one at a time is tried.
  while (staying() < wanted_ && has_room() && (start_failures_ == 0 || starting_ == 0) && may_start(now))
    start_one(edition_, now);
  // Where all that are wanted are up there is nobody to try, and nothing to be sorry about.
  if (start_failures_ > 0 && up() >= wanted_) recover();
  recycle(now);
}

// A slot that rests counts as taken, or its worker would just start in another one.
// Where a worker gets one task only, each that has it may have its successor beside it.
bool plan::has_room() const { return live_ - pairs() + resting_ < most_alive(); }

void plan::spend(std::uint32_t slot, bool spent) {
  if (std::exchange(workers_[slot].spent, spent) != spent) spent_ += spent ? 1 : -1;
}

void plan::on(const happened::worker_used& event, time_point now) {
  const std::uint32_t slot = event.worker.slot;
  if (!current(event.worker) || workers_[slot].state != worker_state::idle) return;
  using use = happened::worker_used::use;
  if (event.how == use::done) {
    retire(slot, now);
  } else {
    const worker_record& worker = workers_[slot];
    spend(slot, event.how == use::given);
    if (event.how == use::given) leave_exchange(slot, &exchange::old_gone);
    // Its turn to be replaced may have been passed over meanwhile.
    if (event.how == use::returned && worker.worn)
      worn_[static_cast<std::size_t>(worker.why)].push_back(event.worker);
  }
  start_workers(now);
  rearm_look(now);
  recycle_as_asked(now);
}

void plan::recover() {
  start_failures_ = 0;
  if (resting_ == 0) say(event_kind::recovered, "workers can be started again, or no more are wanted");
}

std::uint32_t plan::start_one(edition born_with, time_point now) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(workers_.size());
    workers_.emplace_back();
  } else {
    slot = *free_slots_.begin();
    free_slots_.erase(free_slots_.begin());
  }
  worker_record& worker = workers_[slot];
  step(worker, worker_event::replace);
  ++worker.generation;
  worker.signals = 0;
  worker.hurried = false;
  worker.failed_looks = 0;
  worker.unresponsive = false;
  worker.ailment.clear();
  worker.ready_at = worker.in_place_since = worker.unused_since = now;  // at the earliest
  ++live_;
  ++starting_;
  if (settings_.ready_timeout) set_due(slot, timer::worker_ready, base::after(now, *settings_.ready_timeout));
  worker.born_with = born_with;
  todo_.emplace_back(todo::start_worker{{slot, worker.generation}, draw_life(worker), born_with});
  return slot;
}

void plan::step(worker_record& worker, worker_event event) {
  const auto to = muster::engine::next(worker.state, event);
  MUSTER_ASSERT(to.has_value());
  worker.state = *to;
}

void plan::retire(std::uint32_t slot, time_point now) {
  worker_record& worker = workers_[slot];
  if (worker.state == worker_state::dead || worker.state == worker_state::stopping) return;
  if (worker.state == worker_state::starting) --starting_;
  spend(slot, false);
  wears_no_more(slot);
  step(worker, worker_event::retire);
  ++leaving_;
  if (settings_.can_kill) set_due(slot, timer::worker_end, base::after(now, leaving_time()));
  todo_.emplace_back(todo::retire_worker{{slot, worker.generation}});
}

// How long a worker that was told to end may take. One that is let go had nothing to do; it gets as long as
// it had to come up.
duration plan::leaving_time() const {
  return phase_ == phase::ending ? settings_.grace : settings_.ready_timeout.value_or(settings_.idle_timeout);
}

// What was above the limit and is still is no news, but may have left workers that were busy then.
void plan::on(const happened::owner_looked_at& event, time_point now) {
  if (!settings_.owner_memory || !at_work()) return;
  const owner_memory_settings& watch = *settings_.owner_memory;
  set_one_shot(timer::owner_memory, look_at_owner_at_, base::after(now, watch.check_every));
  const bool over = event.bytes > watch.limit;
  if (std::exchange(pressed_, over) != over) todo_.emplace_back(todo::press{over, event.bytes});
  if (must_shrink() && staying() > settings_.min) todo_.emplace_back(todo::survey_workers{});
}

// -----------------------------------------------------------------------------------------------------------
// tasks

void plan::on(const happened::task_watched& event, time_point) {
  task_record& record = tasks_[event.task];
  record.start_by = event.start_by;
  record.settle_by = event.settle_by;
  rearm(event.task, record);
}

void plan::on(const happened::task_began& event, time_point) {
  const auto found = tasks_.find(event.task);
  if (found == tasks_.end()) return;
  task_record& record = found->second;
  record.begun = true;
  record.worker = event.worker;
  record.finish_by = event.finish_by;
  rearm(event.task, record);
}

void plan::on(const happened::task_returned& event, time_point) {
  const auto found = tasks_.find(event.task);
  if (found == tasks_.end()) return;
  found->second.begun = false;
  found->second.finish_by.reset();
  rearm(event.task, found->second);
}

void plan::on(const happened::task_told& event, time_point now) {
  task_record& record = tasks_[event.task];  // a plain task becomes known when it is cancelled
  record.worker = event.worker;
  record.told_why = event.why;
  record.finish_by.reset();
  if (!record.gone_by) record.gone_by = base::after(now, settings_.grace);
  rearm(event.task, record);
}

void plan::on(const happened::task_over& event, time_point) {
  const auto found = tasks_.find(event.task);
  if (found == tasks_.end()) return;
  if (found->second.timer) timers_.erase({*found->second.timer, timer::task, event.task});
  tasks_.erase(found);
}

void plan::task_due(task_id id, time_point now) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  task_record& record = found->second;
  record.timer.reset();
  const auto passed = [now](std::optional<time_point>& at) {
    if (!at || *at > now) return false;
    at.reset();
    return true;
  };
  if (passed(record.gone_by)) {
    const stop_signal next = next_signal(record.signals);
    todo_.emplace_back(todo::give_up_task{id, record.worker, record.told_why, next.signal});
    if (next.signal != SIGKILL) record.gone_by = base::after(now, next.patience);
  }
  if (passed(record.settle_by))
    todo_.emplace_back(todo::expire_task{id, limit::deadline});
  else if (!record.begun && passed(record.start_by))
    todo_.emplace_back(todo::expire_task{id, limit::queue_timeout});
  else if (passed(record.finish_by))
    todo_.emplace_back(todo::expire_task{id, limit::run_timeout});
  else if (passed(record.retry_at))
    retry_due(id, record, now);
  rearm(id, record);
}

void plan::rearm(task_id id, task_record& record) {
  const auto start_by = record.begun ? std::nullopt : record.start_by;
  const auto at = earliest({start_by, record.settle_by, record.finish_by, record.gone_by, record.retry_at});
  if (at == record.timer) return;
  if (record.timer) timers_.erase({*record.timer, timer::task, id});
  record.timer = at;
  if (at) timers_.insert({*at, timer::task, id});
}

// ----------------------------------------------------------------------------------------------------------
// timers

void plan::set_one_shot(timer which, std::optional<time_point>& field, std::optional<time_point> at) {
  if (field) timers_.erase({*field, which, 0});
  field = at;
  if (at && *at != base::never) timers_.insert({*at, which, 0});
}

void plan::set_due(std::uint32_t slot, timer which, std::optional<time_point> at) {
  worker_record& worker = workers_[slot];
  if (worker.due) {
    timers_.erase({*worker.due, timer::worker_ready, slot});
    timers_.erase({*worker.due, timer::worker_end, slot});
  }
  worker.due = at;
  if (at && *at != base::never) timers_.insert({*at, which, slot});
}

void plan::due(timer which, std::uint64_t key, time_point now) {
  switch (which) {
    case timer::task: return task_due(key, now);
    case timer::worker_ready:
      workers_[key].due.reset();
      todo_.emplace_back(todo::kill_worker{{static_cast<std::uint32_t>(key), workers_[key].generation},
                                           death_cause::not_ready});
      return;
    case timer::worker_end: return worker_end_due(static_cast<std::uint32_t>(key), now);
    case timer::worker_age: return age_due(static_cast<std::uint32_t>(key), now);
    case timer::recycle: recycle_again_at_.reset(); return recycle(now);
    case timer::exchange: exchange_at_.reset(); return recycle_as_asked(now);
    case timer::look: return look_due(now);
    case timer::slot_rest: return slot_rested(static_cast<std::uint32_t>(key), now);
    case timer::restart: restart_at_.reset(); return start_workers(now);
    case timer::start: start_at_.reset(); return start_workers(now);
    case timer::shrink:
      shrink_at_.reset();
      todo_.emplace_back(todo::survey_workers{});
      return;
    case timer::owner_memory:
      look_at_owner_at_.reset();
      todo_.emplace_back(todo::look_at_owner{});
      return;
    case timer::report: return report_due(now);
    case timer::stop:
      stop_by_.reset();
      todo_.emplace_back(todo::cancel_all{});
      return retire_all(now);
    case timer::give_up:  // threads cannot be ended: what is left is stuck, and stop says so
      give_up_by_.reset();
      phase_ = phase::finished;
      return;
  }
}

}  // namespace muster::engine
