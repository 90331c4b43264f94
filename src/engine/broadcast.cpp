// SPDX-License-Identifier: MIT
// Tasks that are meant for one worker: given to it past the queue, and run by nobody else.
#include <muster/error.hpp>

#include "engine/engine.hpp"

namespace muster::engine {

std::vector<worker_id> engine::everyone() {
  {
    const auto lock = intake_.lock();
    throw_unless_started();
    if (intake_.closed()) throw pool_stopped("the pool '" + settings_.name + "' takes no more tasks");
  }
  return crew_->everyone();
}

void engine::give(task_ref<> t, worker_id to) {
  t->home = this;
  {
    const auto lock = intake_.lock();
    if (intake_.closed()) {
      settle_with_error(*t, make<pool_stopped>(*t, "the pool '" + settings_.name + "' takes no more tasks"));
      return;
    }
    intake_.number(*t);
    intake_.count();
    move(*t, task_event::place);
  }
  if (t->is(task::watched)) tell_of_limits(*t, t->extras->settle_by.value_or(base::never));
  task& given = *t.release();
  given.set_worker(to.slot);
  if (!crew_->give(given, to)) return abandon(given, "its worker ended before it could run this");
  // Who waits in that worker for something else runs it meanwhile.
  const std::lock_guard waits(waits_mutex_);
  if (const auto waiting = waits_.find(to.slot); waiting != waits_.end()) detail::nudge(*waiting->second);
}

void engine::abandon(task& t, const std::string& why) {
  settle(t, outcome::cancelled, make<cancelled>(t, why));
  let_go(t);
}

task* engine::take_own(std::uint32_t slot) {
  const auto lock = intake_.lock();
  return crew_->take_own(slot);
}

}  // namespace muster::engine
