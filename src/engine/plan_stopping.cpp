// SPDX-License-Identifier: MIT
// How a pool ends, and how a worker or a task that was told to end and does not is ended: by the signals of
// settings.stop, one after the other, and by SIGKILL at last.
#include <algorithm>

#include "engine/plan.hpp"

namespace muster::engine {

void plan::on(const happened::stop_asked& event, time_point now) {
  if (event.at_once) end_grace(now);
  if (phase_ >= phase::ending) return;
  if (phase_ == phase::idle) {
    phase_ = phase::finished;
    return;
  }
  phase_ = phase::draining;
  // One that is only closed takes as long as it takes.
  const time_point by = std::min(stop_by_.value_or(base::never), event.deadline);
  set_one_shot(timer::stop, stop_by_, by == base::never ? std::nullopt : std::optional(by));
  set_one_shot(timer::shrink, shrink_at_, std::nullopt);
  rearm_look(now);
  recycle_as_asked(now);
  // What is queued and finds no worker is told as a backlog, now as before: where nothing is, nobody starts.
  start_workers(now);
}

// Who was told to end or to stop has had time enough.
void plan::end_grace(time_point now) {
  settings_.grace = duration::zero();
  settings_.stop.clear();
  for (auto& [id, record] : tasks_) {
    if (!record.gone_by || *record.gone_by <= now) continue;
    record.gone_by = now;
    rearm(id, record);
  }
  if (phase_ != phase::ending) return;
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot)
    if (workers_[slot].due) set_due(slot, timer::worker_end, now);
  if (give_up_by_) set_one_shot(timer::give_up, give_up_by_, now);
}

void plan::on(const happened::drained&, time_point now) {
  if (phase_ == phase::draining) retire_all(now);
}

void plan::retire_all(time_point now) {
  phase_ = phase::ending;
  set_one_shot(timer::stop, stop_by_, std::nullopt);
  set_one_shot(timer::restart, restart_at_, std::nullopt);
  set_one_shot(timer::shrink, shrink_at_, std::nullopt);
  set_one_shot(timer::start, start_at_, std::nullopt);
  set_one_shot(timer::recycle, recycle_again_at_, std::nullopt);
  set_one_shot(timer::look, look_at_, std::nullopt);
  set_one_shot(timer::owner_memory, look_at_owner_at_, std::nullopt);
  set_one_shot(timer::report, report_at_, std::nullopt);
  for (exchange& e : exchanges_) e.old_leaves = true;  // as does the new one
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    if (settings_.can_kill && workers_[slot].state == worker_state::stopping &&
        workers_[slot].signals == 0)  // told before; now it is urgent
      set_due(slot, timer::worker_end, base::after(now, settings_.grace));
    retire(slot, now);
  }
  if (live_ == 0)
    phase_ = phase::finished;
  else if (!settings_.can_kill)
    set_one_shot(timer::give_up, give_up_by_, base::after(now, settings_.grace));
}

// ----------------------------------------------------------------------------------------------------------
// those that do not end

stop_signal plan::next_signal(std::size_t& signals) const {
  if (signals < settings_.stop.size()) return settings_.stop[signals++];
  return {.signal = SIGKILL, .patience = duration::zero()};
}

void plan::worker_end_due(std::uint32_t slot, time_point now) {
  const bool urgent = phase_ == phase::ending;
  const worker_id id{slot, workers_[slot].generation};
  const stop_signal next = next_signal(workers_[slot].signals);
  if (next.signal != SIGKILL) {
    set_due(slot, timer::worker_end, base::after(now, next.patience));
    todo_.emplace_back(todo::signal_worker{id, next.signal, !urgent});
    return;
  }
  // One that was let go may have got a task at the last moment: it is left alone, and looked at again.
  set_due(slot, timer::worker_end, urgent ? std::nullopt : std::optional(base::after(now, leaving_time())));
  todo_.emplace_back(todo::kill_worker{id, death_cause::stopped, !urgent});
}

// What it was to get it gets when it has no task, all from the start.
void plan::on(const happened::worker_spared& event, time_point now) {
  if (!current(event.worker) || phase_ == phase::ending) return;
  worker_record& worker = workers_[event.worker.slot];
  if (worker.state != worker_state::stopping) return;
  worker.signals = 0;
  set_due(event.worker.slot, timer::worker_end, base::after(now, leaving_time()));
}

}  // namespace muster::engine
