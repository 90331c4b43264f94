// SPDX-License-Identifier: MIT
// What must hold after every event of a world. The crew checks the rest where it happens: that no task begins
// after it has settled or too often, that none overtakes its equals, that each worker is moved by its table.
#include <algorithm>
#include <map>

#include "world.hpp"

namespace muster::engine {

std::string inspector::stray_timer(const plan& p) {
  for (const auto& [at, which, key] : p.timers_) {
    bool owned = false;
    switch (which) {
      case plan::timer::restart: owned = p.restart_at_ == at; break;
      case plan::timer::shrink: owned = p.shrink_at_ == at; break;
      case plan::timer::stop: owned = p.stop_by_ == at; break;
      case plan::timer::give_up: owned = p.give_up_by_ == at; break;
      case plan::timer::worker_ready:
      case plan::timer::worker_end:
        owned = key < p.workers_.size() && p.workers_[key].due == at &&
                p.workers_[key].state != worker_state::dead;
        break;
      case plan::timer::worker_age:
        owned =
            key < p.workers_.size() && p.workers_[key].ages_at == at &&
            (p.workers_[key].state == worker_state::idle || p.workers_[key].state == worker_state::unhealthy);
        break;
      case plan::timer::look: owned = p.look_at_ == at; break;
      case plan::timer::report: owned = p.report_at_ == at && p.at_work(); break;
      case plan::timer::recycle: owned = p.recycle_again_at_ == at; break;
      case plan::timer::exchange: owned = p.exchange_at_ == at; break;
      case plan::timer::start: owned = p.start_at_ == at; break;
      case plan::timer::owner_memory: owned = p.look_at_owner_at_ == at; break;
      case plan::timer::slot_rest:
        owned = key < p.workers_.size() && p.workers_[key].rests_until == at &&
                p.workers_[key].state == worker_state::dead;
        break;
      case plan::timer::task: owned = p.tasks_.contains(key) && p.tasks_.at(key).timer == at; break;
    }
    if (!owned) return "a timer of kind " + std::to_string(static_cast<int>(which)) + " belongs to nobody";
  }
  return {};
}

}  // namespace muster::engine

namespace muster::sim {

using engine::inspector;

void world::fail(const std::string& what) {
  if (!broken_.empty()) return;
  broken_ = what + " at " + std::to_string((clock_->at - virtual_clock{}.at) / 1us) + " us";
  write([&] { return "BROKEN: " + what; });
}

void world::check() {
  if (const std::string b = crew_->broken(); !b.empty()) fail(b);
  check_recycles();
  check_counters();
  check_breaker();
  check_workers();
  if (const std::string stray = inspector::stray_timer(inspector::plan_of(*engine_)); !stray.empty())
    fail(stray);
}

void world::check_counters() {
  const stats s = engine_->snapshot();
  if (s.submitted != s.queued + s.running + s.waiting + s.succeeded + s.failed + s.cancelled)
    fail("the counters do not add up");
  if (s.paused && s.running > 0 && crew_->placed() == 0 && !inspector::has_news(*engine_))
    fail("a paused pool says that tasks run, and no worker has any");
  if (s.submitted != tasks_.size()) fail("a task was counted that was not accepted");
  if (settled_ != s.succeeded + s.failed + s.cancelled) fail("the counters of settled tasks are wrong");
  // What is given to each worker needs none.
  const auto needs_a_permit = [](const user_task& t) {
    return !t.task->settled() && !(t.task->extras && t.task->extras->only_on);
  };
  if (const auto permits = drawn_.pool.queue.unsettled; permits && s.submitted - settled_ > *permits)
    if (static_cast<std::size_t>(std::ranges::count_if(tasks_, needs_a_permit)) > *permits)
      fail("more tasks are unsettled than there are permits");
  std::size_t by_priority = 0;
  for (const priority_stats& each : s.queued_by_priority) by_priority += each.queued;
  if (by_priority != s.queued) fail("the counts of priorities are not what is queued");
  // What comes back may exceed the capacity, by what the workers had and what waited for another attempt.
  if (s.peak_queued > *drawn_.pool.queue.capacity) fail("more tasks were admitted than the queue may hold");
}

// A breaker on trial lets so many calls through, and another when one of them says nothing.
void world::check_breaker() {
  if (!drawn_.pool.safeguards.breaker) return;
  std::map<std::uint64_t, int> on_trial;  // by the period of the breaker
  for (const user_task& t : tasks_) {
    if (!t.task->extras || t.task->settled() || !t.task->extras->pool_ticket.probe) continue;
    if (++on_trial[t.task->extras->pool_ticket.period] > drawn_.pool.safeguards.breaker->probes)
      fail("more calls are let through on trial than breaker.probes");
    ++met_["the circuit lets calls through on trial"];
  }
}

void world::check_workers() {
  const engine::plan& p = inspector::plan_of(*engine_);
  if (inspector::resting(p) > 0) ++met_["a slot rests"];
  if (inspector::at_work(p) &&
      crew_->alive() > std::max(drawn_.pool.plan.max, most_ever_) + inspector::pairs(p))
    fail("more workers live than max and those that are being replaced");
  // Their news may be on the way, so they are counted only when the loop has nothing to do.
  if (wake_at_ <= clock_->at || p.wake_at() <= clock_->at || inspector::has_news(*engine_)) return;
  if (inspector::at_work(p) && inspector::pairs(p) == 0 &&
      inspector::starting_or_up(p) > inspector::most(p) && !stopping_)
    fail("more workers stay than max");
  if (inspector::at_work(p) && !inspector::pausing(p) && !inspector::paces(p) && inspector::leaving(p) == 0 &&
      inspector::starting_or_up(p) < inspector::min_wanted(p))
    fail("fewer workers than min, and no reason for it");
  if (p.live() != crew_->alive())
    fail("the plan believes in a worker that is dead, or not in one that lives");
}

void world::check_recycles() {
  std::erase_if(recycles_, [this](const asked& r) {
    const auto report = inspector::recycle_end(*engine_, r.call);
    if (!report) return false;
    const bool changed = std::exchange(changing_, changing_ == r.call ? 0 : changing_) == r.call;
    ++met_[std::string(changed ? "recycle with changes: " : "recycle: ") +
           (report->rolled_back   ? "rolled back"
            : report->why.empty() ? "all done"
                                  : report->why.substr(0, report->why.find(" while ")))];
    write([&] { return "recycle " + std::to_string(r.call) + " is over: " + report->why; });
    if (report->kept + report->leaving == 0)
      for (const engine::worker_id old : r.old)
        if (crew_->is_alive(old))
          fail("a worker is left that was to be replaced, and recycle says it is not");
    if (report->why.empty() && report->kept + report->leaving > 0) fail("recycle does not say why not all");
    return true;
  });
}

}  // namespace muster::sim
