// SPDX-License-Identifier: MIT
// Workers that are replaced while they live. Each such exchange starts the new worker
// first; when it is ready, the old one is told to go, and when that is gone the exchange is over. Until then
// the pool has one worker more than otherwise. A new one that does not come up changes nothing: the old one
// stays, and is tried again after a pause.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/plan.hpp"

namespace muster::engine {

namespace {

const char* text_of(recycle_reason why) {
  switch (why) {
    case recycle_reason::tasks: return "it has served as many tasks as limits.tasks allows";
    case recycle_reason::age: return "it is as old as limits.age allows";
    case recycle_reason::memory: return "its private memory is above limits.memory_soft";
    case recycle_reason::health: return "its health check was not ok";
    case recycle_reason::asked: return "recycle was called";
    case recycle_reason::rolled_back: return "it has changed settings that were rolled back";
  }
  return "";
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------
// what a worker may reach

std::optional<std::uint64_t> plan::draw_life(worker_record& worker) {
  const life_settings& life = settings_.life;
  worker.aged = worker.worn = worker.overdue = worker.exchanged = false;
  worker.age = duration::zero();
  if (!life.tasks && !life.age) return std::nullopt;
  const double part = 1 - life.jitter * dice_.fraction();
  const auto of = [part](auto most) {
    if (part >= 1) return most;
    return std::max<decltype(most)>(1,
                                    static_cast<decltype(most)>(std::ceil(static_cast<double>(most) * part)));
  };
  if (life.age) worker.age = duration(of(life.age->count()));
  return life.tasks ? std::optional(of(*life.tasks)) : std::nullopt;
}

void plan::set_age(std::uint32_t slot, std::optional<time_point> at) {
  std::optional<time_point>& ages_at = workers_[slot].ages_at;
  if (ages_at) timers_.erase({*ages_at, timer::worker_age, slot});
  ages_at = at;
  if (at && *at != base::never) timers_.insert({*at, timer::worker_age, slot});
}

// The first time it is old, the second time it is twice as old.
void plan::age_due(std::uint32_t slot, time_point now) {
  worker_record& worker = workers_[slot];
  const time_point since = *std::exchange(worker.ages_at, std::nullopt);
  const bool again = worker.aged;
  worker.aged = true;
  if (!again) set_age(slot, base::after(since, worker.age));
  wear(slot, recycle_reason::age, again);
  recycle(now);
}

void plan::on(const happened::worker_worn& event, time_point now) {
  if (!current(event.worker)) return;
  if (event.why == recycle_reason::health) workers_[event.worker.slot].ailment = event.detail;
  wear(event.worker.slot, event.why, event.overdue);
  recycle(now);
}

void plan::wear(std::uint32_t slot, recycle_reason why, bool overdue) {
  worker_record& worker = workers_[slot];
  if (worker.state == worker_state::dead || worker.state == worker_state::stopping) return;
  if (!std::exchange(worker.worn, true)) {
    worker.why = why;
    worn_[static_cast<std::size_t>(why)].push_back({slot, worker.generation});
  }
  if (overdue && !std::exchange(worker.overdue, true)) ++overdue_;
}

// It leaves or is gone.
void plan::wears_no_more(std::uint32_t slot) {
  set_age(slot, std::nullopt);
  if (std::exchange(workers_[slot].overdue, false)) --overdue_;
}

// ---------------------------------------------------------------------------------------------------------
// exchanges

int plan::pairs() const {
  return static_cast<int>(std::ranges::count(exchanges_, false, &exchange::old_gone));
}

// A replacement that was told to end before it was ready is leaving already.
int plan::extra() const {
  return static_cast<int>(std::ranges::count_if(exchanges_, [this](const exchange& e) {
    return !e.stands_alone() && !e.old_leaves && workers_[e.new_slot].state != worker_state::stopping;
  }));
}

int plan::under_way(recycle_reason why) const {
  return static_cast<int>(std::ranges::count(exchanges_, why, &exchange::why));
}

// One at a time, so that the pool keeps its strength and does not grow by much; but where all have reached
// twice what they may, half of them.
int plan::most_under_way() const {
  const int up = live_ - leaving_ - starting_;
  return overdue_ > 0 && overdue_ >= up ? (up + 1) / 2 : 1;
}

// Begins what may begin now. Not while workers cannot be started: those that serve are all there is.
void plan::recycle(time_point now) {
  if (phase_ != phase::serving || restart_at_ || start_failures_ > 0 || recycle_again_at_) return;
  for (std::size_t reason = 0; reason < recycle_reasons; ++reason) {
    const auto why = static_cast<recycle_reason>(reason);
    while (!worn_[reason].empty() && under_way(why) < most_under_way()) {
      const worker_id old = worn_[reason].front();
      worn_[reason].pop_front();
      if (!current(old) || workers_[old.slot].state != worker_state::idle) continue;  // it left otherwise
      if (workers_[old.slot].exchanged) continue;  // for another reason; if that fails, it is worn still
      if (workers_[old.slot].spent) continue;      // it ends after its task anyway
      begin_exchange(old.slot, why, edition_, 0, now);
    }
  }
  recycle_as_asked(now);
}

void plan::begin_exchange(std::uint32_t old_slot, recycle_reason why, edition born_with, std::uint64_t call,
                          time_point now) {
  workers_[old_slot].exchanged = true;
  const std::uint32_t slot = start_one(born_with, now);
  workers_[slot].exchanged = true;
  exchanges_.push_back({.old_slot = old_slot, .new_slot = slot, .why = why, .call = call});
}

// The worker in this slot goes by itself: after its one task (old_gone), or because it wants to (old_left).
// Who was to take its place does so as after any death.
void plan::leave_exchange(std::uint32_t slot, bool exchange::* how) {
  const auto found = std::ranges::find_if(
      exchanges_, [slot](const exchange& e) { return e.old_slot == slot && !e.old_gone && !e.old_leaves; });
  if (found == exchanges_.end()) return;
  (*found).*how = true;
  workers_[slot].exchanged = workers_[found->new_slot].exchanged = false;
}

// The worker in this slot is ready: if it came for another, that one goes.
void plan::replace_old(std::uint32_t new_slot, time_point now) {
  const auto found = std::ranges::find_if(
      exchanges_, [new_slot](const exchange& e) { return e.new_slot == new_slot && !e.old_leaves; });
  if (found == exchanges_.end()) return;
  workers_[new_slot].exchanged = false;
  recycle_failures_ = 0;
  put_in_force(found->call);
  if (found->old_gone) {
    exchanges_.erase(found);
    return;
  }
  found->old_leaves = true;
  const std::uint32_t slot = found->old_slot;
  workers_[new_slot].in_place_since = workers_[slot].in_place_since;
  if (found->old_left) return;
  std::string why = text_of(found->why);
  if (found->why == recycle_reason::health && !workers_[slot].ailment.empty()) why = workers_[slot].ailment;
  todo_.emplace_back(todo::announce{
      event_kind::worker_recycled,
      "worker " + std::to_string(slot) + " is replaced by worker " + std::to_string(new_slot) + ": " + why,
      worker_id{slot, workers_[slot].generation}});
  retire(slot, now);
}

// The worker in this slot has ended. True: it came to replace one that stays therefore, so nobody misses it.
bool plan::end_exchange(std::uint32_t slot, bool had_tasks, bool was_told, time_point now) {
  const auto found = std::ranges::find_if(exchanges_, [slot](const exchange& e) {
    return (e.old_slot == slot && !e.old_gone) || (e.new_slot == slot && !e.old_leaves);
  });
  if (found == exchanges_.end()) return false;
  if (found->old_slot == slot) {
    if (found->old_leaves) {
      if (!had_tasks) workers_[found->new_slot].unused_since = workers_[slot].unused_since;
      exchanges_.erase(found);
    } else {
      found->old_gone = true;  // the new one takes its place as after any death
      workers_[found->new_slot].exchanged = false;
    }
    return false;
  }
  const exchange failed = *found;
  exchanges_.erase(found);
  const bool stands_alone = failed.stands_alone();
  if (stands_alone && was_told) return false;  // it was one too many
  const auto asked = std::ranges::find(asked_, failed.call, &recycling::call);
  if (asked != asked_.end() && !std::exchange(asked->failed, true)) roll_back(*asked, now);
  if (stands_alone) return false;
  worker_record& stays = workers_[failed.old_slot];
  stays.exchanged = false;
  const worker_id id{failed.old_slot, stays.generation};
  if (failed.why != recycle_reason::asked)
    worn_[static_cast<std::size_t>(failed.why)].push_front(id);
  else if (stays.worn)  // and its turn for that may have been passed over
    worn_[static_cast<std::size_t>(stays.why)].push_back(id);
  if (failed.why != recycle_reason::asked && phase_ == phase::serving)
    set_one_shot(timer::recycle, recycle_again_at_,
                 base::after(now, policy::pause(settings_.restart.backoff(), ++recycle_failures_, dice_)));
  return true;
}

}  // namespace muster::engine
