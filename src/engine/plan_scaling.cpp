// SPDX-License-Identifier: MIT
// How many workers there are: growing and shrinking by what is seen (policy::scaler says when), by resize,
// and by tasks that say that they block.
#include <algorithm>
#include <utility>

#include "engine/plan.hpp"

namespace muster::engine {

namespace {

std::string count_of(std::size_t n, const char* one, const char* more) {
  return std::to_string(n) + (n == 1 ? one : more);
}

std::string why(policy::scale_reason reason, const policy::crowd_seen& seen, std::size_t queued) {
  using enum policy::scale_reason;
  const std::string busy =
      std::to_string(seen.busy) + " of " + std::to_string(seen.staying) + " workers busy, ";
  switch (reason) {
    case tasks_wait: return count_of(queued, " task waits", " tasks wait") + " and none is free";
    case queue_length:
      return count_of(queued, " task waits", " tasks wait") + ", more than scaling.queue_per_worker for each";
    case waiting_time: return "a task has waited for longer than scaling.waiting_time";
    case busy_part: return busy + "more than scaling.up_at";
    case idle: return "idle for longer than the idle timeout";
    case quiet: return busy + "less than scaling.down_at";
  }
  return "";
}

}  // namespace

void plan::say_scaled(int from, const std::string& reason) {
  todo_.emplace_back(todo::announce{
      event_kind::scaled,
      "from " + std::to_string(from) + " to " + std::to_string(wanted_) + " workers: " + reason, std::nullopt,
      std::pair(from, wanted_)});
}

// What waits is taken by who is free.
policy::crowd_seen plan::seen_now(const crowd& workers, int free, const queue_seen& waits) const {
  const int up = workers.up;
  const auto taken = std::min<std::size_t>(waits.queued, static_cast<std::size_t>(std::max(0, free)));
  return {.staying = workers.staying,
          .up = up,
          .busy = std::clamp(up - std::max(0, free) + static_cast<int>(taken), 0, up),
          .queued = waits.queued - taken,
          .next = waits.next,
          .newest = waits.newest,
          .at_once = settings_.at_once};
}

// -----------------------------------------------------------------------------------------------------------
// growing

void plan::on(const happened::backlog& event, time_point now) {
  if (!at_work() || must_shrink()) return;
  grow(seen_now(sharing(), event.free, {event.queued, event.next, event.newest}), event.queued, now);
  start_workers(now);
  hurry_those_leaving(now);
  rearm_look(now);
}

void plan::grow(const policy::crowd_seen& seen, std::size_t queued, time_point now) {
  const int others = staying() - sharing().staying;
  const auto decided = scaler_.grow(seen, most() - others, now);
  if (!decided || decided->to + others <= wanted_) return;
  const int from = std::exchange(wanted_, decided->to + others);
  say_scaled(from, why(decided->why, seen, queued));
}

// The replacement of one that stays so far counts as little as in staying().
plan::crowd plan::sharing() const {
  crowd all{staying(), up()};
  for (const std::uint32_t slot : settings_.never_chosen) {
    if (slot >= workers_.size() || workers_[slot].spent) continue;
    const worker_record& worker = workers_[slot];
    const bool is_up = worker.state == worker_state::idle || worker.state == worker_state::unhealthy;
    const bool comes = worker.state == worker_state::starting && !worker.exchanged;
    all.up -= is_up ? 1 : 0;
    all.staying -= is_up || comes ? 1 : 0;
  }
  return all;
}

// Tasks wait, and there is no room for another worker beside those that leave: they get no longer than grace.
// Once: with no grace one that is spared, or slow to die, would be due again in the same moment, for ever.
void plan::hurry_those_leaving(time_point now) {
  if (!settings_.can_kill || leaving_ == 0 || phase_ == phase::ending || has_room() || staying() >= wanted_)
    return;
  const time_point by = base::after(now, settings_.grace);
  for (std::uint32_t slot = 0; slot < workers_.size(); ++slot) {
    worker_record& worker = workers_[slot];
    if (worker.state != worker_state::stopping || !worker.due || *worker.due <= by || worker.signals > 0)
      continue;
    if (!std::exchange(worker.hurried, true)) set_due(slot, timer::worker_end, by);
  }
}

// ---------------------------------------------------------------------------------------------------------
// shrinking

void plan::on(const happened::surveyed& event, time_point now) {
  if (!at_work()) return;
  auto idle = event.idle;
  std::erase_if(idle, [this](const auto& each) {
    if (!current(each.worker)) return true;
    const worker_state state =
        workers_[each.worker.slot].state;  // the news of its readiness may be on the way
    return state != worker_state::idle && state != worker_state::starting;
  });
  std::sort(idle.begin(), idle.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
  const queue_seen waits{event.queued, event.next, event.newest};
  const auto all_idle = static_cast<int>(idle.size());
  const auto all = seen_now({staying(), up()}, all_idle, waits);
  const auto those_sharing = seen_now(sharing(), std::min(all_idle, event.free), waits);
  time_point next_look = base::never;
  if (phase_ == phase::serving) {
    give_up_surplus(idle, event.blocked, now);
    if (staying() > most_alive()) next_look = base::after(now, settings_.scaling.check_every);
    next_look = std::min(next_look, let_go(idle, all, now));
  }
  if (!must_shrink()) grow(those_sharing, event.queued, now);
  start_workers(now);
  rearm_look(now, next_look);
}

// More than there may be, after a resize or when a task no longer blocks: idle ones first, then those that
// start, then busy ones, which finish their task. `blocked` of them wait for work that somebody has to be
// left to do.
void plan::give_up_surplus(const std::vector<happened::surveyed::idle_worker>& idle, int blocked,
                           time_point now) {
  const int target = std::max(most_alive(), blocked > 0 ? blocked + 1 : 0);
  const auto end = [&](std::uint32_t slot, worker_state state) {
    const worker_record& worker = workers_[slot];
    if (staying() > target && worker.state == state && !worker.exchanged && !worker.spent) retire(slot, now);
  };
  if (staying() <= target) return;
  for (const auto& each : idle) end(each.worker.slot, worker_state::idle);
  for (const worker_state state : {worker_state::unhealthy, worker_state::starting, worker_state::idle})
    for (std::size_t slot = workers_.size(); slot > 0; --slot)
      end(static_cast<std::uint32_t>(slot - 1), state);
}

// Idle ones above min. Returns when the next could go.
time_point plan::let_go(const std::vector<happened::surveyed::idle_worker>& idle,
                        const policy::crowd_seen& seen, time_point now) {
  const bool by_part = settings_.scaling.down_at.has_value();
  std::vector<std::uint32_t> may_go;
  time_point next = base::never;
  for (const auto& [worker, since] : idle) {
    const worker_record& record = workers_[worker.slot];
    if (record.state == worker_state::stopping || record.exchanged)
      continue;  // it goes, or comes for one that does
    // With down_at it need not have been idle for so long, but there. A worker that only took the place of
    // another does not begin that time anew.
    const time_point idle_since = since > record.ready_at ? since : std::min(since, record.unused_since);
    const time_point at =
        std::max(base::after(by_part ? record.in_place_since : idle_since, settings_.idle_timeout),
                 base::after(record.in_place_since, settings_.scaling.least_life));
    if (at <= now || must_shrink())
      may_go.push_back(worker.slot);
    else
      next = std::min(next, at);
  }
  if (staying() <= settings_.min) return base::never;
  const int before = staying();
  // Those that start may never come up, so none that is ready is let go for one of them.
  const auto unheard = std::ranges::count_if(
      idle, [this](const auto& each) { return workers_[each.worker.slot].state == worker_state::starting; });
  const int spare = std::max(0, up() + static_cast<int>(unheard) - settings_.min);
  int to = std::max(settings_.min, before - std::min(spare, static_cast<int>(may_go.size())));
  std::string reason = "the owner's memory is above owner_memory.limit";
  if (!must_shrink()) {
    const auto decided = scaler_.shrink(seen, before - to, settings_.min, now);
    to = decided ? decided->to : before;
    if (decided) reason = why(decided->why, seen, 0);
  }
  for (const std::uint32_t slot : may_go)
    if (staying() > to) retire(slot, now);
  if (staying() < before) {
    wanted_ = staying();
    say_scaled(before, reason);
  }
  // One that could have gone and did not is looked at again.
  const duration usual = settings_.scaling.down_at ? settings_.scaling.check_every : settings_.idle_timeout;
  return std::min({next, scaler_.shrink_again(), base::after(now, usual)});
}

// Somebody looks when the first worker above min could leave, or when what was put off is due; so a pool at
// its minimum has no timer at all. `next`: what a look has just found; none: nobody has looked since.
void plan::rearm_look(time_point now, std::optional<time_point> next) {
  time_point at = at_work() ? scaler_.grow_again() : base::never;
  if (phase_ == phase::serving && (staying() > settings_.min || staying() > most_alive())) {
    const duration first = settings_.scaling.down_at
                               ? std::min(settings_.scaling.check_every, settings_.idle_timeout)
                               : settings_.idle_timeout;
    at = std::min(at, next ? *next : shrink_at_.value_or(base::after(now, first)));
  }
  const auto wanted = at == base::never ? std::nullopt : std::optional(at);
  if (wanted != shrink_at_) set_one_shot(timer::shrink, shrink_at_, wanted);
}

// ----------------------------------------------------------------------------------------------------------
// told to

void plan::on(const happened::resize_asked& event, time_point now) {
  settings_.min = event.min;
  settings_.max = event.max;
  change_bounds("resize was called", now);
}

void plan::on(const happened::blocking_changed& event, time_point now) {
  blocking_ = std::max(0, blocking_ + event.by);
  change_bounds("a task no longer blocks", now);
}

void plan::change_bounds(const char* reason, time_point now) {
  if (!at_work()) return;
  const int from = wanted_;
  wanted_ = std::clamp(wanted_, settings_.min, most());
  if (wanted_ != from) say_scaled(from, reason);
  if (staying() > most_alive()) todo_.emplace_back(todo::survey_workers{});
  start_workers(now);
  rearm_look(now);
}

// A start beyond the first; false: not yet.
bool plan::may_start(time_point now) {
  if (!starts_) return true;
  if (starts_->next() <= now) {
    starts_->start(now);
    return true;
  }
  set_one_shot(timer::start, start_at_, starts_->next());
  return false;
}

}  // namespace muster::engine
