// SPDX-License-Identifier: MIT
// Taking tasks back: out of the queue, off a worker, or by telling them to stop.
#include <algorithm>

#include <muster/error.hpp>

#include "engine/engine.hpp"

namespace muster::engine {

void engine::cancel(task& t) {
  if (t.settled()) return;
  if (unqueue(t)) {
    settle(t, outcome::cancelled, cancelled_by(death_cause::cancelled, t, "before it began"));
    return let_go(t);
  }
  tell({.about = task_ref<>::share(t), .cancel = true});
}

void engine::cancel_now(const task_ref<>& t, base::time_point now) {
  if (t->settled()) return;
  make_known(*t);
  known_task& known = known_[t->id];
  known.ref = t;
  known.cancelled = true;
  if (known.held) {
    end_wait(known);
    settle(*t, outcome::cancelled, cancelled_by(death_cause::cancelled, *t, "before its next attempt"));
    return forget(t->id, now);
  }
  take_away(t, death_cause::cancelled, now);
}

// What is queued goes at once; what a worker was handed and has not begun, and what waits, by the loop.
void engine::cancel_queued() {
  cancel_intake(death_cause::cancelled);
  tell({.cancel = true});
}

void engine::cancel_intake(death_cause why) {
  for (;;) {
    auto lock = intake_.lock();
    task* t = intake_.take_any();
    lock.unlock();
    if (t == nullptr) return;
    settle(*t, outcome::cancelled, cancelled_by(why, *t, "before it began"));
    let_go(*t);
  }
}

void engine::cancel_waiting(death_cause why, base::time_point now) {
  std::vector<task_ref<>> waiting;
  for (auto& [id, known] : known_)
    if (known.held) waiting.push_back(known.ref);
  for (const auto& t : waiting) {
    end_wait(known_[t->id]);  // before it counts as cancelled, as everywhere
    settle(*t, outcome::cancelled, cancelled_by(why, *t, "before its next attempt"));
    forget(t->id, now);
  }
}

void engine::cancel_queued_now(base::time_point now) {
  cancel_intake(death_cause::cancelled);  // what a worker's end has brought back meanwhile
  cancel_waiting(death_cause::cancelled, now);
  std::vector<task_ref<>> held;
  crew_->held(held);
  std::ranges::reverse(held);  // from the back of each ring: none begins because the one before it went
  for (const auto& t : held) {
    if (!take_unbegun(*t)) continue;
    settle(*t, outcome::cancelled, cancelled_by(death_cause::cancelled, *t, "before it began"));
    let_go(*t);
  }
}

bool engine::take_to_help(task& t) {
  {
    const auto lock = intake_.lock();
    if (intake_.take(t)) return true;
  }
  worker_id on;
  return crew_->revoke(t, false, on) == revoked::taken_back;
}

// Whom t waits for, since he has its key, where he waits for a worker himself.
task* engine::take_ahead_of(const task& t) {
  if (!intake_.has_turns(t)) return nullptr;
  const auto lock = intake_.lock();
  task* const ahead = intake_.ahead_of(t);
  return ahead != nullptr && intake_.take(*ahead) ? ahead : nullptr;
}

bool engine::take_unbegun(task& t) {
  worker_id on;
  return unqueue(t) || crew_->revoke(t, false, on) == revoked::taken_back;
}

void engine::take_away(const task_ref<>& t, death_cause why, base::time_point now) {
  make_known(*t);
  worker_id on;
  const auto tell_it = [&](worker_id where) {
    if (t->extras) t->extras->stop.request_stop();
    known_[t->id].ref = t;
    plan_.observe(happened::task_told{t->id, where, why}, now);
  };
  const auto end_it = [&] {
    const auto known = known_.find(t->id);
    if (known != known_.end() && known->second.timeout && why == death_cause::run_timeout)
      settle(*t, outcome::failed, known->second.timeout);
    else if (!t->settled())
      settle(*t, outcome::cancelled, cancelled_by(why, *t, "before it began"));
    let_go(*t);
    if (!t->is(task::watched)) forget(t->id, now);
  };
  for (int look = 0; look < 3; ++look) {  // it may move between queue and worker while we look
    if (unqueue(*t)) return end_it();
    switch (crew_->revoke(*t, true, on)) {
      case revoked::taken_back: return end_it();
      case revoked::told: return tell_it(on);
      case revoked::gone: break;
    }
    if (const auto helper = helper_of(*t)) return tell_it(*helper);
  }
  if (t->settled() && !t->is(task::watched)) forget(t->id, now);  // it was just done
}

std::exception_ptr engine::cancelled_by(death_cause why, const task& t, const char* when) const {
  return why == death_cause::stopped ? make<pool_stopped>(t, std::string("the pool was stopped ") + when)
                                     : make<cancelled>(t, std::string("cancelled ") + when);
}

}  // namespace muster::engine
