// SPDX-License-Identifier: MIT
// Looking at worker processes: those that are idle have to answer a ping, those that are busy are judged by
// what the kernel and their own words tell. What follows from it is the plan's business.
#include <limits>

#include "base/process_info.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using engine::worker_event;

std::vector<process_crew::seen_from_outside> process_crew::look_from_outside() {
  std::vector<seen_from_outside> all;
  {
    const locked lock(*this);
    for (const auto& w : workers_)
      if (w && w->state != worker_state::starting && w->state != worker_state::dead && !w->killed_for &&
          w->pid != 0)
        all.push_back({w, !w->memory || w->in_flight() > 0 || w->served != w->vitals.served(), '?', 0, {}});
  }
  constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
  for (seen_from_outside& each : all) {
    if (const auto status = base::status_of(each.worker->pid)) {
      each.state = status->state;
      each.ticks = status->ticks;
    }
    if (each.may_have_grown) each.memory = base::private_memory(each.worker->pid, no_limit);
  }
  return all;
}

std::string process_crew::look_at(const seen_from_outside& seen, base::time_point now) {
  worker_process& w = *seen.worker;
  if (seen.memory) w.memory = seen.memory;
  std::string wrong =
      w.vitals.judge({.state = seen.state,
                      .is_busy = w.is_at_work(),
                      .has_answered = w.signs().pong.load(std::memory_order_acquire) == w.last_ping,
                      .busy_since = w.head_since,
                      .ticks = seen.ticks,
                      .heartbeat = w.signs().heartbeat.load(std::memory_order_relaxed),
                      .served = w.served},
                     now, options_.health.max_silence);
  w.failed_looks = wrong.empty() ? 0 : w.failed_looks + 1;
  if (!wrong.empty()) w.ailment = wrong;
  return wrong;
}

void process_crew::look(std::vector<engine::happened::worker_looked_at>& seen) {
  const auto all = look_from_outside();
  std::vector<worker_ref> to_wake;
  {
    const locked lock(*this);
    const auto now = owner_->time().now();
    for (const seen_from_outside& each : all) {
      worker_process& w = *each.worker;
      if (w.state == worker_state::dead || w.killed_for) continue;
      std::string wrong = look_at(each, now);
      seen.push_back({w.id, wrong.empty(), std::move(wrong)});
      if (++w.last_ping == 0) ++w.last_ping;  // 0 means that there was none
      if (w.sender.ping(w.last_ping)) to_wake.push_back(each.worker);
    }
  }
  for (const worker_ref& w : to_wake) w->sender.wake();
}

void process_crew::doubt(worker_id id) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  {
    const locked lock(*this);
    if (!w->open()) return;
    w->step(worker_event::doubt);
    note_free(*w);
    take_back_all(*w);
  }
  pump();
}

void process_crew::trust(worker_id id) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  {
    const locked lock(*this);
    if (w->state != worker_state::unhealthy) return;
    if (w->in_flight() > 0) {
      w->step(worker_event::trust);
    } else {
      w->step(worker_event::ready);
      w->idle_since = owner_->time().now();
    }
    note_free(*w);
  }
  pump();
}

// Each of these a worker says once; one that says it again does what no worker does.

bool process_crew::on_unwell(worker_process& w, const std::string& why) {
  if (w.state == worker_state::starting || std::exchange(w.told_unwell, true)) return false;
  owner_->worker_worn(w.id, engine::recycle_reason::health, false, why);
  return true;
}

bool process_crew::on_leaving(worker_process& w, const std::string& why) {
  if (w.state == worker_state::starting || std::exchange(w.leaves, true)) return false;
  w.detail = why;
  // One that wants to go before its first task would be replaced for ever without a pause.
  if (w.had_tasks) owner_->worker_leaves(w.id);
  return true;
}

}  // namespace muster::process
