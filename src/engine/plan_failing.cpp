// SPDX-License-Identifier: MIT
// What becomes of a task whose attempt failed, and of a slot in which workers die again and again.
#include <algorithm>
#include <utility>

#include "engine/plan.hpp"

namespace muster::engine {

// -----------------------------------------------------------------------------------------------------------
// attempts

void plan::on(const happened::attempt_failed& event, time_point now) {
  using question = happened::attempt_failed::question;
  task_record& record = tasks_[event.task];
  record.start_by.reset();
  record.finish_by.reset();
  record.gone_by.reset();
  record.signals = 0;
  const bool suspected = quarantine_ && !event.suspect.empty();
  if (suspected && event.asked != question::answered) {
    quarantine_->blame(event.suspect, now);
    record.judged_from = base::after(now, settings_.quarantine->mass_within);
  }
  record.again = phase_ <= phase::draining && policy::run_again(event.retry, event.why, event.attempt);
  if (record.again && event.asked == question::pending) return rearm(event.task, record);

  const bool seems_guilty =
      suspected && !event.outranks && quarantine_->is_guilty(event.suspect, now) && at_work();
  record.suspect = seems_guilty ? event.suspect : std::string();
  if (!record.again && !seems_guilty) {
    rearm(event.task, record);
    todo_.emplace_back(todo::fail_task{event.task});
    return;
  }
  const duration pause = record.again ? policy::pause(event.retry.backoff, event.attempt, dice_) : duration();
  record.retry_at = base::after(now, pause);
  // So late that what it does to the next worker is no part of what happened to this one.
  if (suspected) record.retry_at = std::max(*record.retry_at, record.judged_from.value_or(now));
  rearm(event.task, record);
}

void plan::retry_due(task_id id, task_record& record, time_point now) {
  const std::string suspect = std::exchange(record.suspect, {});
  if (!suspect.empty() && quarantine_->is_guilty(suspect, now)) {
    quarantine_->forgive(suspect);
    todo_.emplace_back(todo::quarantine_task{id});
  } else if (record.again) {
    todo_.emplace_back(todo::retry_task{id});
  } else {
    todo_.emplace_back(todo::fail_task{id});
  }
}

// -----------------------------------------------------------------------------------------------------------
// slots

bool plan::rest_slot(std::uint32_t slot, time_point now) {
  const restart_options& o = settings_.restart;
  worker_record& worker = workers_[slot];
  if (!o.limit || worker.deaths.may_restart(*o.limit, o.window, now) || !at_work()) return false;
  const std::string too_many = "more than " + std::to_string(*o.limit) + " workers died in slot " +
                               std::to_string(slot) + " within restart.window";
  todo_.emplace_back(todo::announce{event_kind::worker_failed,
                                    too_many + "; it stays empty for restart.cool_down",
                                    worker_id{slot, worker.generation}});
  if (!degraded()) say(event_kind::degraded, too_many);
  ++resting_;
  worker.rests_until = base::after(now, o.cool_down);
  if (*worker.rests_until != base::never) timers_.insert({*worker.rests_until, timer::slot_rest, slot});
  return true;
}

void plan::slot_rested(std::uint32_t slot, time_point now) {
  workers_[slot].rests_until.reset();
  --resting_;
  free_slots_.insert(slot);
  if (!degraded()) say(event_kind::recovered, "every slot is tried again");
  start_workers(now);
}

}  // namespace muster::engine
