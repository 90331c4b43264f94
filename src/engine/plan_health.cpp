// SPDX-License-Identifier: MIT
// Workers that live and do nothing. All are looked at together, at a steady pace: one that fails a look gets
// no tasks until it passes one, and one that fails too many in a row is killed.
#include <algorithm>

#include "engine/plan.hpp"

namespace muster::engine {

void plan::begin_looking(time_point now) {
  if (!settings_.health.interval || look_at_ || phase_ == phase::ending) return;
  set_one_shot(timer::look, look_at_, base::after(now, *settings_.health.interval));
}

// The pace is kept by the time that was due, not by when somebody came to look; looks that were missed are
// not made up for.
void plan::look_due(time_point now) {
  const duration interval = *settings_.health.interval;
  const time_point next = base::after(*look_at_, interval);
  look_at_.reset();
  if (live_ == starting_) return;  // the next one that comes up begins anew
  set_one_shot(timer::look, look_at_, next > now ? next : base::after(now, interval));
  todo_.emplace_back(todo::look_at_workers{});
}

void plan::on(const happened::worker_looked_at& event, time_point now) {
  if (!current(event.worker)) return;
  worker_record& worker = workers_[event.worker.slot];
  if (worker.state == worker_state::dead || worker.state == worker_state::starting || worker.unresponsive)
    return;
  const std::string who = "worker " + std::to_string(event.worker.slot);
  if (!event.is_well) {
    if (++worker.failed_looks == 1 && worker.state == worker_state::idle) {
      step(worker, worker_event::doubt);
      todo_.emplace_back(todo::doubt_worker{event.worker});
      todo_.emplace_back(todo::announce{event_kind::worker_unhealthy,
                                        who + " failed a health check: " + event.seen, event.worker});
    }
    if (worker.failed_looks < settings_.health.failures) return;
    worker.unresponsive = true;
    todo_.emplace_back(todo::kill_worker{event.worker, death_cause::unresponsive});
    return;
  }
  worker.failed_looks = 0;
  if (worker.state != worker_state::unhealthy) return;
  step(worker, worker_event::ready);
  todo_.emplace_back(todo::trust_worker{event.worker});
  todo_.emplace_back(todo::announce{event_kind::worker_healthy, who + " is well again", event.worker});
  // Its turn to be replaced may have been passed over meanwhile.
  if (worker.worn && !worker.exchanged) worn_[static_cast<std::size_t>(worker.why)].push_back(event.worker);
  recycle(now);
  recycle_as_asked(now);
}

// It has left its place already: where a replacement for it is on its way, that one is the next.
void plan::on(const happened::worker_leaves& event, time_point now) {
  if (!current(event.worker)) return;
  const worker_state state = workers_[event.worker.slot].state;
  if (state == worker_state::dead || state == worker_state::stopping) return;
  leave_exchange(event.worker.slot, &exchange::old_left);
  retire(event.worker.slot, now);
  start_workers(now);
}

}  // namespace muster::engine
