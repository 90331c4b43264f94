// SPDX-License-Identifier: MIT
// A task that waits for another of its pool: it helps, sleeps, or learns that it would wait for ever.
#include <algorithm>

#include <muster/error.hpp>

#include "engine/engine.hpp"

namespace muster::engine {

// Tasks that wait may run others on their own stack so deep; beyond that they wait like anybody else.
inline constexpr int deepest_help = 200;

engine::blocked_worker::blocked_worker(engine& home, const std::string& waits_for) : home_(home) {
  if (home.blocked_workers_ + 1 >= home.settings_.plan.max)
    throw would_deadlock("every worker of the pool waits for the pool itself; this one for " + waits_for);
  ++home.blocked_workers_;
  home.nudge_callback_waiters();
}

void engine::nudge_callback_waiters() {
  for (task* t : callback_waiters_) detail::nudge(*t);
}

bool engine::wait_inside(task& t, std::optional<base::time_point> until) {
  const inside* me = here();
  if (t.is(task::is_continuation)) {  // the task before it may need us
    if (!detail::wait_until(*t.previous, until)) return false;
    return wait_for_callback(t, until);
  }
  for (;;) {
    const std::uint32_t seen = detail::look_before_sleep(t);
    if (t.settled()) return true;
    const bool is_for_another = t.extras && t.extras->only_on.value_or(me->slot) != me->slot;
    if (me->depth < deepest_help && !is_for_another && take_to_help(t)) {
      move(t, task_event::begin);
      run_here(t, me->slot);
      continue;
    }
    // Nobody else may run what was given to this worker, and somebody may wait for it.
    if (task* mine = me->depth < deepest_help ? take_own(me->slot) : nullptr) {
      move(*mine, task_event::begin);
      run_here(*mine, me->slot);
      continue;
    }
    if (task* const before = me->depth < deepest_help ? take_ahead_of(t) : nullptr) {
      move(*before, task_event::begin);
      run_here(*before, me->slot);
      continue;
    }
    if (t.state() == task_state::waiting) {  // the loop nudges us when it is queued
      if (!detail::sleep_while(t, seen, until)) return t.settled();
      continue;
    }
    auto lock = intake_.lock();
    const std::string chain = chain_to(t, me->slot);
    if (!chain.empty()) throw would_deadlock("a task would wait for itself: " + chain, subject_of(t));
    crew_->surrender(me->slot);
    const blocked_worker blocked(*this, "task " + std::to_string(t.id));
    {
      const std::lock_guard waits(waits_mutex_);
      waits_.insert_or_assign(me->slot, task_ref<>::share(t));
    }
    lock.unlock();
    const bool in_time = detail::sleep_while(t, seen, until);
    lock.lock();
    {
      const std::lock_guard waits(waits_mutex_);
      waits_.erase(me->slot);
    }
    if (!in_time) return t.settled();
  }
}

// A callback runs the last part of t, and may need workers for it. So who waits here runs whatever is queued,
// when every other worker of the pool waits for the pool too.
bool engine::wait_for_callback(task& t, std::optional<base::time_point> until) {
  const inside* me = here();
  auto lock = intake_.lock();
  crew_->surrender(me->slot);
  callback_waiters_.push_back(&t);
  intake_.set(hold::waiting_workers, true);
  bool in_time = true;
  for (;;) {
    const std::uint32_t seen = detail::look_before_sleep(t);
    if (t.settled() || !in_time) break;
    const bool alone = blocked_workers_ + static_cast<int>(callback_waiters_.size()) >= settings_.plan.max;
    if (task* other = alone && me->depth < deepest_help ? intake_.take() : nullptr) {
      move(*other, task_event::begin);
      lock.unlock();
      run_here(*other, me->slot);
    } else {
      lock.unlock();
      in_time = detail::sleep_while(t, seen, until);
    }
    intake_.lock(lock);
  }
  std::erase(callback_waiters_, &t);
  intake_.set(hold::waiting_workers, !callback_waiters_.empty());
  return t.settled();
}

bool engine::wait_in_callback(task& t, std::optional<base::time_point> until) {
  if (callbacks::depth() >= deepest_help) {
    if (t.is(task::is_continuation))
      throw would_deadlock(std::to_string(deepest_help) + " callbacks wait for each other's results already",
                           subject_of(t));
    return detail::wait_outside(t, until);
  }
  // What this stack looks at when t settles may come after it has gone: so it is shared.
  struct done_mark : detail::continuation {
    std::shared_ptr<done_mark> self;
    bool done = false;  // both: written and read by the callbacks' thread only
  };
  const auto mark = std::make_shared<done_mark>();
  mark->self = mark;
  mark->run = [](detail::continuation* c, task&) noexcept {
    const auto kept = std::move(static_cast<done_mark*>(c)->self);
    kept->done = true;
  };
  detail::attach(t, mark.get());  // its callback comes to this very thread
  return callbacks_->run_until([&mark] { return mark->done; }, until);
}

// The tasks through which t waits for a task that runs on this very slot; empty where it does not. With the
// intake's lock.
std::string engine::chain_to(task& t, std::uint32_t slot) {
  const std::lock_guard waits(waits_mutex_);
  std::string chain = "task " + std::to_string(t.id);
  const task* at = &t;
  for (int steps = 0; steps < 1'000; ++steps) {
    if (const task* before = at->home == this ? intake_.ahead_of(*at) : nullptr) {
      at = before;
      chain += ", whose key task " + std::to_string(at->id) + " has";
    }
    if (at->home != this || at->state() != task_state::running) return {};
    const std::uint32_t runs_on = at->worker();
    if (runs_on == slot) return chain + ", which waits for this one";
    const auto waits_for = waits_.find(runs_on);
    if (waits_for == waits_.end()) return {};
    at = waits_for->second.get();
    chain += ", which waits for task " + std::to_string(at->id);
  }
  return chain;
}

void engine::run_here(task& t, std::uint32_t slot) {
  const task* const which = &t;
  {
    const std::lock_guard lock(waits_mutex_);
    helped_.push_back({task_ref<>::share(t), slot});
  }
  if (run(t, {slot, 0})) release(t);
  task_ref<> done;  // goes outside the lock
  std::unique_lock lock(waits_mutex_);
  const auto at =
      std::find_if(helped_.begin(), helped_.end(), [which](const auto& h) { return h.ref.get() == which; });
  done = std::move(at->ref);
  helped_.erase(at);
  lock.unlock();
  look_idle();
}

std::vector<task_ref<>> engine::helped() {
  const std::lock_guard lock(waits_mutex_);
  std::vector<task_ref<>> all;
  for (const auto& h : helped_) all.push_back(h.ref);
  return all;
}

std::optional<worker_id> engine::helper_of(const task& t) {
  const std::lock_guard lock(waits_mutex_);
  for (const auto& h : helped_)
    if (h.ref.get() == &t) return worker_id{h.slot, 0};
  return std::nullopt;
}

}  // namespace muster::engine
