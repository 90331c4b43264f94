// SPDX-License-Identifier: MIT
// Workers that are replaced because somebody asked, also by workers with changed settings. Those are in force
// once the first worker has come up with them. If a later one does not, nobody shall have them.
#include <algorithm>
#include <utility>

#include "engine/plan.hpp"

namespace muster::engine {

void plan::on(const happened::recycle_asked& event, time_point now) {
  recycling asked{.call = event.call,
                  .at_once = event.at_once,
                  .one = event.slot.has_value(),
                  .changed = event.changed,
                  .pause = event.pause};
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    const worker_state state = workers_[slot].state;
    if (state != worker_state::dead && state != worker_state::stopping && event.slot.value_or(slot) == slot)
      asked.left.push_back({slot, workers_[slot].generation});
  }
  if (event.slot && asked.left.empty() && phase_ == phase::serving) {
    todo_.emplace_back(todo::recycle_over{
        .call = event.call, .how = todo::recycle_over::end::no_such_worker, .in_force = settled()});
    return;
  }
  asked_.push_back(std::move(asked));
  recycle_as_asked(now);
}

void plan::on(const happened::recycle_given_up& event, time_point now) {
  const auto found = std::ranges::find(asked_, event.call, &recycling::call);
  if (found == asked_.end()) return;
  std::rotate(asked_.begin(), found, found + 1);
  recycling& r = asked_.front();
  if (r.changed && !is_complete(r) && !std::exchange(r.failed, true)) roll_back(r, now);
  end_recycling(todo::recycle_over::end::given_up);
  recycle(now);
  recycle_as_asked(now);
}

// Goes on with the first that was asked for, and with the next when that is over.
void plan::recycle_as_asked(time_point now) {
  while (!asked_.empty()) {
    if (phase_ != phase::serving) {
      end_recycling(todo::recycle_over::end::stopped);
      continue;
    }
    recycling& r = asked_.front();
    const auto gone = [this](worker_id w) { return is_gone(w); };
    r.replaced += std::erase_if(r.left, gone);
    std::erase_if(r.late, gone);
    add_late(r);
    const auto mine = [&r](const exchange& e) { return e.call == r.call; };
    auto running = std::ranges::count_if(exchanges_, mine);
    const bool can_start = !r.failed && !restart_at_ && start_failures_ == 0;
    for (const auto* some : {&r.left, &r.late})
      for (const worker_id w : *some) {
        if (!can_start || running >= r.at_once || exchange_at_) break;
        const worker_record& old = workers_[w.slot];
        if (old.state != worker_state::idle || old.exchanged || old.spent) continue;
        begin_exchange(w.slot, recycle_reason::asked, r.changed.value_or(edition_), r.call, now);
        ++running;
        pause_before_next(r, now);
      }
    const bool nobody_left = r.left.empty() && r.late.empty();
    const bool over = running == 0 && (nobody_left || (r.failed && !is_leaving(r)));
    if (!over) return;
    if (!r.failed) put_in_force(r.call);  // there was no worker to be replaced
    end_recycling(r.failed ? todo::recycle_over::end::failed : todo::recycle_over::end::all_done);
  }
}

void plan::pause_before_next(const recycling& r, time_point now) {
  if (r.pause <= duration::zero()) return;
  const auto drawn = static_cast<double>(r.pause.count()) * dice_.fraction();
  set_one_shot(timer::exchange, exchange_at_, base::after(now, duration(static_cast<duration::rep>(drawn))));
}

// The changed settings of this call: a worker has come up with them, so those that start from now on have
// them.
void plan::put_in_force(std::uint64_t call) {
  const auto asked = std::ranges::find(asked_, call, &recycling::call);
  if (call == 0 || asked == asked_.end() || !asked->changed || asked->failed || edition_ == *asked->changed)
    return;
  asked->before = std::exchange(edition_, *asked->changed);
}

// What is in force if the recycle that is under way fails.
edition plan::settled() const {
  const auto tried = std::ranges::find_if(asked_, [](const recycling& r) { return r.before && !r.failed; });
  return tried == asked_.end() ? edition_ : *tried->before;
}

// As if the settings had never changed: who has them is replaced once more, or ends before it is ready.
void plan::roll_back(recycling& r, time_point now) {
  if (!r.changed) return;
  edition_ = r.before.value_or(edition_);
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    if (workers_[slot].born_with != *r.changed) continue;
    if (workers_[slot].state == worker_state::starting) retire(slot, now);
    wear(slot, recycle_reason::rolled_back, false);
  }
}

// Who started meanwhile with the settings of before is to be replaced as well.
void plan::add_late(recycling& r) {
  if (!r.changed || r.one || r.failed) return;
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    const worker_record& worker = workers_[slot];
    const worker_id id{slot, worker.generation};
    if (worker.state == worker_state::dead || worker.state == worker_state::stopping ||
        worker.born_with == *r.changed || std::ranges::count(r.left, id) + std::ranges::count(r.late, id) > 0)
      continue;
    r.late.push_back(id);
  }
}

// Nobody is left but those who leave, or end after their one task.
bool plan::is_complete(const recycling& r) const {
  const auto mine = [&r](const exchange& e) { return e.call == r.call && !e.old_leaves; };
  const auto goes = [this](worker_id w) {
    return is_gone(w) || workers_[w.slot].spent || workers_[w.slot].state == worker_state::stopping;
  };
  return edition_ == *r.changed && std::ranges::none_of(exchanges_, mine) &&
         std::ranges::all_of(r.left, goes) && std::ranges::all_of(r.late, goes);
}

bool plan::is_gone(worker_id w) const { return !current(w) || workers_[w.slot].state == worker_state::dead; }

bool plan::is_leaving(const recycling& r) const {
  return std::ranges::any_of(
      r.left, [this](worker_id w) { return workers_[w.slot].state == worker_state::stopping; });
}

void plan::end_recycling(todo::recycle_over::end how) {
  const recycling r = std::move(asked_.front());
  asked_.pop_front();
  set_one_shot(timer::exchange, exchange_at_, std::nullopt);
  todo::recycle_over over{
      .call = r.call, .how = how, .replaced = r.replaced, .rolled_back = r.failed, .in_force = settled()};
  for (const worker_id w : r.left) {
    if (is_gone(w))
      ++over.replaced;
    else if (workers_[w.slot].state == worker_state::stopping)
      ++over.leaving;
    else
      ++over.kept;
  }
  todo_.emplace_back(over);
}

}  // namespace muster::engine
