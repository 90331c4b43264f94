// SPDX-License-Identifier: MIT
// The engine's loop: takes in notes, asks the plan, performs its actions.
#include <unistd.h>

#include <algorithm>

#include <muster/error.hpp>

#include "base/process_info.hpp"
#include "engine/engine.hpp"

namespace muster::engine {

void engine::tell(note n, base::time_point needed_at) {
  std::unique_lock lock(notes_mutex_);
  notes_.push_back(std::move(n));
  const bool asleep = sleeps_until_ != base::time_point::min();
  if (!asleep || (needed_at >= sleeps_until_ && notes_.size() < 1'024)) return;
  sleeps_until_ = base::time_point::min();  // one wake is enough
  lock.unlock();
  crew_->wake();
}

void engine::wake_by(base::time_point at) {
  std::unique_lock lock(notes_mutex_);
  if (at >= look_at_) return;
  look_at_ = at;
  if (sleeps_until_ == base::time_point::min() || at >= sleeps_until_) return;
  sleeps_until_ = base::time_point::min();
  lock.unlock();
  crew_->wake();
}

// Some of what waits in it was to wait until now.
void engine::look_at_intake(base::time_point now) {
  auto lock = intake_.lock();
  intake_.look(now);
  if (intake_.size() == 0) return;
  tell_backlog();
  nudge_callback_waiters();
  crew_->queued(lock);
}

// Limits that come near: from now on the plan minds them.
void engine::look_at_limits(base::time_point now) {
  std::vector<task_ref<>> near;
  const auto again = far_limits_.take(now, near);
  for (const task_ref<>& t : near) {
    plan_.observe(happened::task_watched{t->id, t->extras->start_by, t->extras->settle_by}, now);
    if (t->state() == detail::task_state::running)  // or it says so itself
      plan_.observe(happened::task_began{t->id, {t->worker(), 0}, {}}, now);
    known_[t->id].ref = t;
  }
  if (again != base::never) wake_by(again);
}

base::time_point engine::act() {
  std::unique_lock lock(notes_mutex_);
  sleeps_until_ = base::time_point::min();
  for (;;) {
    std::vector<note> taken = std::exchange(notes_, {});
    now_ = time_->now();
    const bool look = look_at_ <= now_;
    if (look) look_at_ = base::never;
    lock.unlock();
    if (look) {
      look_at_intake(now_);
      look_at_limits(now_);
    }
    for (note& n : taken) take_in(n, now_);
    taken.clear();
    do {
      while (const auto next = plan_.next(now_)) {
        note_sizes();  // first, for those who see what was done and then ask
        std::visit([this](const auto& what) { perform(what); }, *next);
      }
      look_for_backlog(now_);  // what we did may have made one: a retry
    } while (plan_.wake_at() <= now_);
    look_idle();  // after all that this round settled
    if (plan_.finished()) settle_what_is_left();
    degraded_.store(plan_.degraded(), std::memory_order_relaxed);
    note_sizes();
    lock.lock();
    if (plan_.ready_once() && !life_->ready) {
      life_->ready = true;
      changed_.notify_all();
    }
    if (!notes_.empty()) continue;
    sleeps_until_ = std::min(plan_.wake_at(), look_at_);
    return sleeps_until_;
  }
}

std::optional<happened::backlog> engine::backlog() const {
  const std::size_t queued = intake_.size();
  const bool waits = queued > growth_.queued && crew_->saturated();
  if (!waits && growth_.spare < 0) return std::nullopt;
  const int free = crew_->free_workers();
  const auto left = static_cast<std::int64_t>(free) - static_cast<std::int64_t>(queued);
  if (!waits && left > growth_.spare) return std::nullopt;
  return happened::backlog{queued, free, intake_.next_number(), intake_.newest_number()};
}

// Once, while it is wanted. Who adds a task asks for it, and who takes one and leaves others.
void engine::tell_backlog() {
  if (!intake_.is_set(hold::growth)) return;
  const auto seen = backlog();
  if (!seen) return;
  intake_.set(hold::growth, false);
  tell({.what = *seen});
}

// What is still there when the last worker came up is seen here.
void engine::look_for_backlog(base::time_point now) {
  const bool may_grow = plan_.may_grow();
  if (may_keep_.load(std::memory_order_relaxed) == may_grow) {
    may_keep_.store(!may_grow);
    if (may_grow) crew_->keep_no_tasks();
  }
  const auto signal = plan_.listens_for();
  const bool wanted = may_grow && !signal.deaf();
  if (!wanted && !backlog_wanted_) return;
  backlog_wanted_ = wanted;
  auto lock = intake_.lock();
  intake_.set(hold::growth, wanted);
  growth_ = signal;
  if (!wanted) return;
  const auto seen = backlog();
  lock.unlock();
  if (seen) plan_.observe(*seen, now);
}

void engine::take_in(note& n, base::time_point now) {
  if (n.event) return send(n.event);
  if (n.metrics) return hand_over_metrics();
  if (n.cancel) return n.about ? cancel_now(n.about, now) : cancel_queued_now(now);
  if (auto* failure = std::get_if<happened::attempt_failed>(&*n.what);
      failure != nullptr && failure->asked == happened::attempt_failed::question::answered) {
    const auto found = known_.find(failure->task);
    if (found == known_.end() || !found->second.held) return;  // it has settled meanwhile
  } else if (failure != nullptr) {
    known_task& known = known_[failure->task];
    known.held = std::move(n.about);
    known.wait_over = false;
    known.error = std::move(n.error);
    if (!known.ref) known.ref = known.held;
    if (known.cancelled || cancelling_all_) {
      end_wait(known);
      settle(*known.ref, outcome::cancelled,
             cancelled_by(cancelling_all_ ? death_cause::stopped : death_cause::cancelled, *known.ref,
                          "before its next attempt"));
      return forget(failure->task, now);
    }
    if (known.ref->settled()) return forget(failure->task, now);
    if (known.timeout) {  // whatever it says, that is why it ended
      known.error = std::exchange(known.timeout, nullptr);
      failure->why = policy::failure::timeout;
      failure->suspect.clear();
    }
    if (failure->retry.when && policy::run_again(failure->retry, failure->why, failure->attempt)) {
      failure->asked = happened::attempt_failed::question::pending;
      plan_.observe(*failure, now);
      return ask_user(*failure, known.error);
    }
  } else if (const auto* watched = std::get_if<happened::task_watched>(&*n.what)) {
    known_[watched->task].ref = std::move(n.about);
  } else if (const auto* over = std::get_if<happened::task_over>(&*n.what)) {
    return forget(over->task, now);
  }
  plan_.observe(*n.what, now);
}

void engine::end_wait(known_task& known) {
  if (known.held && !std::exchange(known.wait_over, true)) waiting_.fetch_sub(1, std::memory_order_relaxed);
}

// The plan and the loop know nothing of the task from here on. What the loop holds has settled.
void engine::forget(task_id id, base::time_point now) {
  plan_.observe(happened::task_over{id}, now);
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  if (found->second.held) {
    end_wait(found->second);
    task& t = *found->second.held;
    move(t, task_event::settle);
    if (intake_.has_turns(t)) release_key(t);
  }
  known_.erase(found);
}

void engine::worker_ready(worker_id worker, int pid) {
  announce({.kind = event_kind::worker_ready,
            .text = "worker " + std::to_string(worker.slot) + " is ready",
            .worker = worker.slot,
            .generation = worker.generation,
            .pid = pid});
  tell({.what = happened::worker_ready{worker}});
}

void engine::worker_ended(worker_id worker, bool had_tasks, std::shared_ptr<const death> how,
                          std::string problem) {
  workers_ended_.fetch_add(1, std::memory_order_relaxed);
  event e{.kind = event_kind::worker_stopped,
          .worker = worker.slot,
          .generation = worker.generation,
          .death = how};
  if (how) {
    e.pid = how->pid;
    e.text = how->summary();
    if (how->cause != death_cause::stopped) e.kind = event_kind::worker_died;
  } else {
    e.text = "worker " + std::to_string(worker.slot) + " ended";
  }
  if (!problem.empty()) {
    e.kind = event_kind::start_failed;
    e.text = "worker " + std::to_string(worker.slot) + " did not come up: " + problem;
    const std::lock_guard lock(notes_mutex_);
    last_start_failure_ = problem;
  } else if (e.kind == event_kind::worker_died && !had_tasks) {  // counts as one, see plan.cpp
    const std::lock_guard lock(notes_mutex_);
    last_start_failure_ = e.text;
  }
  announce(std::move(e));
  const bool by_us = how && (how->cause == death_cause::run_timeout || how->cause == death_cause::cancelled ||
                             how->cause == death_cause::stopped);
  tell({.what = happened::worker_ended{worker, had_tasks, by_us}});
}

// ---------------------------------------------------------------------------------------------------------
// actions

void engine::perform(const todo::start_worker& a) {
  workers_started_.fetch_add(1, std::memory_order_relaxed);
  announce({.kind = event_kind::worker_started,
            .text = "worker " + std::to_string(a.worker.slot) + " starts",
            .worker = a.worker.slot,
            .generation = a.worker.generation});
  crew_->choose(a.born_with);
  crew_->start(a.worker);
  if (a.tasks) crew_->report_after(a.worker, *a.tasks);
}

void engine::perform(const todo::retire_worker& a) { crew_->retire(a.worker); }

void engine::perform(const todo::kill_worker& a) {
  if (!a.unless_busy) return kill(a.worker, a.why);
  if (!spares(a.worker)) crew_->kill(a.worker, a.why);
}

void engine::perform(const todo::signal_worker& a) {
  if (!a.unless_busy || !spares(a.worker)) crew_->signal(a.worker, a.signal, death_cause::stopped);
}

bool engine::spares(worker_id worker) {
  std::vector<task_ref<>> held;
  crew_->held(held);
  if (std::none_of(held.begin(), held.end(), [&](const auto& t) { return crew_->holds(worker, *t); }))
    return false;
  plan_.observe(happened::worker_spared{worker}, now_);
  return true;
}

void engine::perform(const todo::look_at_workers&) {
  std::vector<happened::worker_looked_at> seen;
  crew_->look(seen);
  for (const auto& each : seen) plan_.observe(each, now_);
}

// A worker that was told twice to go, for its task and for itself, counts once.
void engine::kill(worker_id worker, death_cause why) {
  const bool counts = why == death_cause::stopped || cancelling_all_;
  if (counts && std::find(killed_.begin(), killed_.end(), worker) == killed_.end()) killed_.push_back(worker);
  crew_->kill(worker, why);
}

void engine::perform(const todo::survey_workers&) {
  happened::surveyed answer;
  crew_->survey(answer.idle);
  {
    const auto lock = intake_.lock();
    answer.queued = intake_.size();
    answer.next = intake_.next_number();
    answer.newest = intake_.newest_number();
    answer.blocked = blocked_workers_;
    answer.free = crew_->free_workers();
  }
  plan_.observe(answer, now_);
}

void engine::perform(const todo::look_at_owner&) {
  const auto bytes = base::private_memory(::getpid(), settings_.owner_memory.limit.value_or(0));
  plan_.observe(happened::owner_looked_at{bytes.value_or(0)}, now_);
}

void engine::perform(const todo::press& a) {
  if (settings_.owner_memory.reject) {
    const auto lock = intake_.lock();
    intake_.set(hold::memory, a.on);
  }
  if (!a.on) return;
  announce({.kind = event_kind::memory_pressure,
            .text = "the owner has " + std::to_string(a.bytes >> 20U) + " MiB of private memory, more than " +
                    "owner_memory.limit = " + std::to_string(settings_.owner_memory.limit.value_or(0)),
            .bytes = a.bytes});
  if (settings_.owner_memory.on_pressure) callbacks_->post(settings_.owner_memory.on_pressure);
}

void engine::perform(const todo::expire_task& a) {
  const auto found = known_.find(a.task);
  if (found == known_.end()) return;
  const task_ref<> t = found->second.ref;
  std::string what = a.which == limit::deadline      ? "the task's deadline passed"
                     : a.which == limit::run_timeout ? "the task ran longer than its run timeout"
                                                     : "no worker was free within the queue timeout";
  if (const std::string why = last_start_failure(); t->attempt() == 0 && !why.empty())
    what += "; the last worker that was to start did not: " + why;
  auto error = make<task_timeout>(*t, what);
  // First it is taken from the workers: who sees that it is late knows that it does not begin any more.
  if (a.which != limit::run_timeout && take_unbegun(*t)) {
    settle(*t, outcome::failed, std::move(error));
    return let_go(*t);
  }
  if (a.which == limit::queue_timeout) return;  // it has begun this instant: then this limit is met
  if (a.which == limit::run_timeout && timed_out_for_now(found->second, error)) return;
  end_wait(found->second);
  if (!settle(*t, outcome::failed, std::move(error))) return;
  if (found->second.held) return forget(a.task, now_);
  take_away(t, death_cause::run_timeout, now_);
}

void engine::perform(const todo::give_up_task& a) {
  const auto found = known_.find(a.task);
  if (found == known_.end()) return;
  const task_ref<> t = found->second.ref;
  if (helper_of(*t) || crew_->holds(a.worker, *t)) {
    // What may run again settles when it is over, unless it may never be.
    if (!found->second.timeout || found->second.cancelled || cancelling_all_)
      settle(*t, outcome::cancelled, cancelled_by(a.why, *t, "while it ran"));
    else if (!crew_->can_kill())
      settle(*t, outcome::failed, found->second.timeout);
    if (crew_->can_kill() && a.signal != SIGKILL) {
      crew_->signal(a.worker, a.signal, a.why);
      return;  // the plan comes back to it
    }
    if (crew_->can_kill()) {
      kill(a.worker, a.why);
    } else {
      announce({.kind = event_kind::task_stuck,
                .text = "the task was told to stop and has not returned",
                .worker = worker_of(a.worker.slot),
                .task = t->id,
                .task_id = subject_of(*t).task_id,
                .label = subject_of(*t).label});
    }
  }
  if (!t->is(task::watched)) forget(a.task, now_);
}

void engine::perform(const todo::retry_task& a) {
  const auto found = known_.find(a.task);
  if (found == known_.end() || !found->second.held) return;
  task& t = *found->second.held.release();
  std::exception_ptr error = std::exchange(found->second.error, nullptr);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  retried_.fetch_add(1, std::memory_order_relaxed);
  count_error(code_of(error));
  announce({.kind = event_kind::task_retried,
            .text = name_of(t) + " runs again after attempt " + std::to_string(t.attempt()) + " (" +
                    std::to_string(std::max(retry_of(t).attempts - t.attempt(), 0)) + " left)",
            .task = t.id,
            .task_id = subject_of(t).task_id,
            .error = std::move(error),
            .label = subject_of(t).label});
  const bool watched = t.is(task::watched);
  if (t.extras && t.extras->stop.stop_requested())
    t.extras->stop = std::stop_source();  // told at its timeout
  const task_ref<> keep = task_ref<>::share(t);
  {
    auto lock = intake_.lock();
    move(t, task_event::requeue);
    intake_.put_back(t, true);
    nudge_callback_waiters();
    crew_->queued(lock);
  }
  detail::nudge(*keep);  // a worker that waits for it may run it
  if (!watched) forget(a.task, now_);
}

void engine::perform(const todo::fail_task& a) {
  const auto found = known_.find(a.task);
  if (found == known_.end()) return;
  end_wait(found->second);
  settle(*found->second.ref, outcome::failed, std::move(found->second.error));
  forget(a.task, now_);
}

void engine::perform(const todo::cancel_all&) {
  cancelling_all_ = true;
  forced_ = !idle();
  cancelled_before_ = total(&tally::cancelled, std::memory_order_relaxed);
  cancel_intake(death_cause::stopped);
  cancel_waiting(death_cause::stopped, now_);
  std::vector<task_ref<>> held = helped();
  crew_->held(held);
  for (const auto& t : held) take_away(t, death_cause::stopped, now_);
  cancel_intake(death_cause::stopped);  // what workers have given back meanwhile
}

// Stopped, and a thread did not come back: what it runs settles all the same.
void engine::settle_what_is_left() {
  std::vector<task_ref<>> held = helped();
  crew_->held(held);
  for (const auto& t : held)
    settle(*t, outcome::cancelled, cancelled_by(death_cause::stopped, *t, "while it ran"));
}

void engine::perform(const todo::recycle_over& a) {
  using end = todo::recycle_over::end;
  crew_->keep(a.in_force);  // before anybody is told, and not under the lock
  const std::lock_guard lock(notes_mutex_);
  const auto call = recyclings_.find(a.call);
  if (call == recyclings_.end()) return;
  recycle_report& report = call->second.emplace();
  report.replaced = a.replaced;
  report.leaving = a.leaving;
  report.kept = a.kept;
  report.rolled_back = a.rolled_back;
  switch (a.how) {
    case end::all_done: break;
    case end::failed: report.why = "a new worker did not come up: " + last_start_failure_; break;
    case end::given_up:
      report.why = "the deadline passed";
      if (plan_.degraded() && !last_start_failure_.empty())
        report.why += " while workers could not be started: " + last_start_failure_;
      break;
    case end::stopped: report.why = "the pool was stopped"; break;
    case end::no_such_worker: report.why = "there is no worker in that slot"; break;
  }
  changed_.notify_all();
}

void engine::perform(const todo::announce& a) {
  std::string text = a.text;
  if (a.kind == event_kind::degraded)  // the plan decides without knowing why
    if (const std::string why = last_start_failure(); !why.empty()) text += ": " + why;
  std::ranges::replace(text, '\n', ' ');
  event e{.kind = a.kind, .text = std::move(text), .from = a.sizes.first, .to = a.sizes.second};
  if (a.worker) {
    e.worker = a.worker->slot;
    e.generation = a.worker->generation;
  }
  if (a.kind == event_kind::worker_recycled) workers_recycled_.fetch_add(1, std::memory_order_relaxed);
  announce(std::move(e));
}

}  // namespace muster::engine
