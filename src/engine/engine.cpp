// SPDX-License-Identifier: MIT
#include "engine/engine.hpp"

#include <algorithm>
#include <cstdio>

#include <muster/context.hpp>
#include <muster/error.hpp>

#include "base/assert.hpp"
#include "engine/registry.hpp"

namespace muster::engine {

engine::engine(settings chosen, std::unique_ptr<crew> workers, std::shared_ptr<const base::clock> time)
    : settings_(std::move(chosen)),
      time_(std::move(time)),
      callbacks_(std::make_shared<callbacks>(settings_.callbacks, this)),
      intake_(settings_.queue),
      plan_(settings_.plan),
      crew_(std::move(workers)) {
  crew_->attach(*this);
  enlist(*this);
}

engine::~engine() {
  MUSTER_ASSERT(!thread_.joinable());
  delist(*this);
  crew_.reset();  // waits for threads that ignored their stop token; they still report to us
  callbacks_->stop();
}

// ------------------------------------------------------------------------------------------------ start, stop, wait

void engine::start(bool own_thread) {
  {
    const std::lock_guard lock(intake_.mutex());
    if (std::exchange(started_, true) || intake_.closed()) return;
  }
  tell({.what = happened::start_asked{}});
  if (own_thread) thread_ = std::thread([this] { loop(); });
}

bool engine::wait_ready(base::time_point until) {
  std::unique_lock lock(notes_mutex_);
  const auto done = [this] { return ready_ || finished_; };
  if (until == base::never)
    changed_.wait(lock, done);
  else
    changed_.wait_until(lock, until, done);
  return ready_;
}

std::string engine::last_start_failure() const {
  const std::lock_guard lock(notes_mutex_);
  return last_start_failure_;
}

bool engine::wait_idle(std::optional<base::time_point> until) {
  for (const inside* at = here(); at != nullptr; at = at->outer)
    if (at->home == this) throw would_deadlock("wait_idle was called inside a task of the pool it would wait for");
  idle_waiters_.fetch_add(1);
  std::unique_lock lock(notes_mutex_);
  const auto idle = [this] { return unsettled_.load() == 0; };
  bool reached = true;
  if (until)
    reached = changed_.wait_until(lock, *until, idle);
  else
    changed_.wait(lock, idle);
  idle_waiters_.fetch_sub(1);
  return reached;
}

bool engine::begin_stop(base::time_point deadline, bool at_once) {
  for (const inside* at = here(); at != nullptr; at = at->outer)
    if (at->home == this) throw would_deadlock("stop was called inside a task of the pool that it would wait for");
  bool started = false;
  {
    const std::lock_guard lock(intake_.mutex());
    intake_.close();
    started = started_;
  }
  if (!started) return false;
  stopping_.store(true);
  tell({.what = happened::stop_asked{deadline, at_once}});
  if (unsettled_.load() == 0) tell({.what = happened::drained{}});
  return true;
}

stop_report engine::stop(base::time_point deadline, bool at_once) {
  if (!begin_stop(deadline, at_once)) return {};
  std::thread ending;
  std::unique_lock lock(notes_mutex_);
  changed_.wait(lock, [this] { return finished_; });
  ending = std::move(thread_);
  const stop_report report = report_;
  lock.unlock();
  if (ending.joinable()) ending.join();
  return report;
}

void engine::loop() {
  for (;;) {
    const auto until = act();
    if (plan_.finished()) break;
    crew_->wait(until);
  }
  conclude();
}

const stop_report& engine::conclude() {
  report_.stuck = crew_->finish();
  report_.killed = killed_.size();
  if (cancelling_all_) report_.cancelled = cancelled_.load() - cancelled_before_;
  announce({.kind = event_kind::stopped, .text = "nothing of the pool is left"});
  const std::lock_guard lock(notes_mutex_);
  finished_ = true;
  changed_.notify_all();
  return report_;
}

// ---------------------------------------------------------------------------------------------------------- submit

class engine::blocked_worker {
 public:
  // With the intake's lock.
  explicit blocked_worker(engine& home, const std::string& what) : home_(&home) {
    if (home.blocked_workers_ + 1 >= home.settings_.plan.max)
      throw would_deadlock("every worker of the pool waits for the pool itself; this one for " + what);
    ++home.blocked_workers_;
  }
  ~blocked_worker() { --home_->blocked_workers_; }
  blocked_worker(const blocked_worker&) = delete;

 private:
  engine* home_;
};

void engine::submit(task_ref<> t) {
  t->home = this;
  std::unique_lock lock(intake_.mutex());
  if (!started_ && !intake_.closed())
    throw not_started("the pool '" + settings_.name + "' was made with .start = false; call start() first");

  const bool may_wait = settings_.queue.when_full == when_full::wait;
  auto admitted = intake_.admit(lock, false);
  if (admitted == admission::full && may_wait) {
    std::optional<blocked_worker> blocked;
    if (const inside* at = here(); at != nullptr && at->home == this) blocked.emplace(*this, "room in its queue");
    admitted = intake_.admit(lock, true);
  }
  const bool here_then = admitted == admission::full && settings_.queue.when_full == when_full::caller_runs;
  if (admitted != admission::admitted && !here_then) {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    const std::string capacity = std::to_string(settings_.queue.capacity.value_or(0));
    switch (admitted) {
      case admission::closed: throw pool_stopped("the pool '" + settings_.name + "' takes no more tasks");
      case admission::timed_out:
        throw enqueue_timeout("the queue of the pool '" + settings_.name + "' stayed full (" + capacity +
                              " tasks) for as long as queue.patience");
      default:
        throw queue_full("the queue of the pool '" + settings_.name + "' is full (" + capacity +
                         " tasks); submit later, raise queue.capacity, or choose when_full::wait");
    }
  }

  t->id = ++last_id_;
  unsettled_.fetch_add(1);
  if ((t->flags & task::watched) != 0) {
    const auto& extras = *t->extras;
    happened::task_watched watched{t->id, {}, extras.settle_by};
    if (extras.queue_timeout) watched.start_by = base::after(time_->now(), *extras.queue_timeout);
    const auto first = std::min(watched.start_by.value_or(base::never), watched.settle_by.value_or(base::never));
    tell({.what = watched, .about = t}, first);
  }
  task& queued = *t.release();
  if (here_then) {
    const inside* at = here();
    const std::uint32_t slot = at != nullptr && at->home == this ? at->slot : no_slot;
    move(queued, task_event::begin);
    lock.unlock();
    return run_here(queued, slot);
  }
  intake_.push(queued);
  const std::size_t waiting = intake_.size();
  const bool saturated = crew_->saturated();
  crew_->queued(lock);
  if (saturated && grow_wanted_.load(std::memory_order_relaxed) && grow_wanted_.exchange(false))
    tell({.what = happened::backlog{waiting}});
}

// -------------------------------------------------------------------------------------------------------- running

namespace {
thread_local const inside* here_now = nullptr;
}  // namespace

const inside* here() { return here_now; }

void engine::run(task& t, worker_id worker) {
  const retry_options& retry = retry_of(t);
  ++t.attempt;
  t.worker.store(worker.slot, std::memory_order_relaxed);
  began(t, worker);
  context about(t.id, t.attempt, t.extras ? t.extras->stop.get_token() : std::stop_token{},
                t.extras ? std::string_view(t.extras->id) : std::string_view());
  const inside* outer = here_now;
  const inside now{this, worker.slot, outer != nullptr ? outer->depth + 1 : 1, outer, &t};
  here_now = &now;
  std::exception_ptr error;
  const auto how = t.ops->run(t, about, t.attempt < retry.attempts, error);
  here_now = outer;
  switch (how) {
    case detail::ran::stored: return succeeded(t);
    case detail::ran::late: return too_late(t);
    case detail::ran::threw: return failed(t, std::move(error), policy::failure::error);
  }
}

void engine::run_here(task& t, std::uint32_t slot) { run(t, {slot, 0}); }

void engine::note_began(task& t, worker_id worker) {
  happened::task_began began{t.id, worker, {}};
  if (t.extras->run_timeout) began.finish_by = base::after(time_->now(), *t.extras->run_timeout);
  tell({.what = began}, began.finish_by.value_or(base::never));
  if (listened_to_.load(std::memory_order_relaxed))
    announce({.kind = event_kind::task_began, .text = "attempt " + std::to_string(t.attempt) + " began",
              .worker = worker.slot, .generation = worker.generation, .task = t.id, .task_id = t.extras->id});
}

void engine::put_back(task& t) {
  move(t, task_event::take_back);
  if ((t.flags & task::watched) != 0) tell({.what = happened::task_returned{t.id}}, base::never);
  intake_.put_back(t);
}

void engine::succeeded(task& t) {
  count_and_publish(t, outcome::succeeded);
  let_go(t);
}

void engine::too_late(task& t) {
  late_.fetch_add(1, std::memory_order_relaxed);
  let_go(t);
}

void engine::failed(task& t, std::exception_ptr error, policy::failure why) {
  const retry_options& retry = retry_of(t);
  if (t.settled()) return too_late(t);
  if ((t.flags & task::watched) == 0 && !policy::run_again(retry, why, t.attempt)) {
    if (!settle(t, outcome::failed, std::move(error))) return too_late(t);
    return let_go(t);
  }
  move(t, task_event::wait);
  waiting_.fetch_add(1, std::memory_order_relaxed);
  const happened::attempt_failed what{t.id, t.attempt, retry, why};
  tell({.what = what, .about = task_ref<>::adopt(&t), .error = std::move(error)});
}

void engine::let_go(task& t) {
  move(t, task_event::settle);
  if ((t.flags & task::watched) != 0) tell({.what = happened::task_over{t.id}}, base::never);
  release(t);
}

// --------------------------------------------------------------------------------------------------------- settling

const retry_options& engine::retry_of(const task& t) const {
  return t.extras && t.extras->retry ? *t.extras->retry : settings_.retry;
}

error_subject engine::subject_of(const task& t) const {
  error_subject subject{.task = t.id, .attempt = t.attempt};
  if (t.extras) subject.task_id = t.extras->id;
  if (t.attempt > 0) subject.worker = t.worker.load(std::memory_order_relaxed);
  return subject;
}

bool engine::settle(task& t, outcome as, std::exception_ptr error) {
  if (!t.claim()) return false;
  t.error = std::move(error);
  count_and_publish(t, as);
  return true;
}

void engine::count_and_publish(task& t, outcome as) {
  switch (as) {
    case outcome::succeeded: succeeded_.fetch_add(1, std::memory_order_relaxed); break;
    case outcome::failed: failed_.fetch_add(1, std::memory_order_relaxed); break;
    case outcome::cancelled: cancelled_.fetch_add(1, std::memory_order_relaxed); break;
  }
  if (as == outcome::failed && (t.flags & task::is_post) != 0) {
    announce({.kind = event_kind::task_failed, .text = "a posted task failed",
              .worker = t.worker.load(std::memory_order_relaxed), .task = t.id,
              .task_id = t.extras ? t.extras->id : std::string(), .error = t.error});
    if (settings_.on_post_error == on_post_error::terminate) {
      std::fprintf(stderr, "muster: a posted task failed, and on_post_error is terminate\n");
      std::terminate();
    }
  }
  publish(t);
  if (unsettled_.fetch_sub(1) != 1) return;
  if (idle_waiters_.load() > 0) {
    const std::lock_guard lock(notes_mutex_);
    changed_.notify_all();
  }
  if (stopping_.load()) tell({.what = happened::drained{}});
}

bool engine::unqueue(task& t) {
  const std::lock_guard lock(intake_.mutex());
  if (t.state.load(std::memory_order_relaxed) != task_state::queued) return false;
  intake_.remove(t);
  return true;
}

// ---------------------------------------------------------------------------------------------------------- cancel

void engine::cancel(task& t) {
  if (t.settled()) return;
  if (unqueue(t)) {
    settle(t, outcome::cancelled, make<cancelled>(t, "cancelled before it began"));
    return let_go(t);
  }
  tell({.about = task_ref<>::share(t), .cancel = true});
}

void engine::cancel_now(const task_ref<>& t, base::time_point now) {
  if (t->settled()) return;
  known_task& known = known_[t->id];
  known.ref = t;
  known.cancelled = true;
  if (known.held) {
    settle(*t, outcome::cancelled, make<cancelled>(*t, "cancelled before its next attempt"));
    return forget(t->id, now);
  }
  take_away(t, death_cause::cancelled, make<cancelled>(*t, "cancelled before it began"), now);
}

void engine::take_away(const task_ref<>& t, death_cause why, const std::exception_ptr& settled_as,
                       base::time_point now) {
  worker_id on;
  const auto never_began = [&] {
    settle(*t, outcome::cancelled, settled_as);
    let_go(*t);
    forget(t->id, now);
  };
  for (int look = 0; look < 3; ++look) {  // it may move between queue and worker while we look
    if (unqueue(*t)) return never_began();
    switch (crew_->revoke(*t, true, on)) {
      case revoked::taken_back: return never_began();
      case revoked::told:
        if (t->extras) t->extras->stop.request_stop();
        known_[t->id].ref = t;
        return plan_.observe(happened::task_told{t->id, on, why}, now);
      case revoked::gone: break;
    }
  }
  // It runs on the stack of a task that waits for it, or has just ended. In either case it is told; should it have
  // ended, it is forgotten when its grace is over.
  if (t->extras) t->extras->stop.request_stop();
  known_[t->id].ref = t;
  plan_.observe(happened::task_told{t->id, {t->worker.load(std::memory_order_relaxed), 0}, why}, now);
}

// --------------------------------------------------------------------------------------------------------- waiting

// Tasks that wait may run others on their own stack so deep; beyond that they wait like anybody else.
inline constexpr int deepest_help = 200;

bool engine::wait_inside(task& t, std::optional<base::time_point> until) {
  const inside* me = here();
  for (;;) {
    const std::uint32_t seen = detail::look_before_sleep(t);
    if (t.settled()) return true;
    if (me->depth < deepest_help && unqueue(t)) {
      move(t, task_event::begin);
      run_here(t, me->slot);
      continue;
    }
    std::unique_lock lock(intake_.mutex());
    const std::string chain = chain_to(t, me->slot);
    if (!chain.empty()) throw would_deadlock("a task would wait for itself: " + chain, subject_of(t));
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

void engine::wait_in_callback(task& t) {
  struct done_mark : detail::continuation {
    bool done = false;
  } mark;
  mark.run = [](detail::continuation* c, task&) noexcept { static_cast<done_mark*>(c)->done = true; };
  detail::attach(t, &mark);  // its callback comes to this very thread
  callbacks_->run_until([&mark] { return mark.done; });
}

// The tasks through which t waits for a task that runs on this very slot; empty where it does not.
std::string engine::chain_to(task& t, std::uint32_t slot) {
  const std::lock_guard waits(waits_mutex_);
  std::string chain = "task " + std::to_string(t.id);
  const task* at = &t;
  for (int steps = 0; steps < 1'000; ++steps) {
    if (at->home != this || at->state.load(std::memory_order_relaxed) != task_state::running) return {};
    const std::uint32_t runs_on = at->worker.load(std::memory_order_relaxed);
    if (runs_on == slot) return chain + ", which waits for this one";
    const auto waits_for = waits_.find(runs_on);
    if (waits_for == waits_.end()) return {};
    at = waits_for->second.get();
    chain += ", which waits for task " + std::to_string(at->id);
  }
  return chain;
}

void engine::dispatch(detail::continuation* c, task& t) {
  // A std::function must be copyable, so the reference goes into a shared handle.
  callbacks_->post([c, keep = task_ref<>::share(t)] { c->run(c, *keep); });
}

// ---------------------------------------------------------------------------------------------------------- queries

stats engine::snapshot() {
  stats s;
  crew_->describe(s);
  {
    const std::lock_guard lock(intake_.mutex());
    s.submitted = last_id_;
    s.queued = intake_.size();
    s.peak_queued = intake_.peak();
    s.succeeded = succeeded_.load();
    s.failed = failed_.load();
    s.cancelled = cancelled_.load();
    s.waiting = waiting_.load();
    const std::size_t elsewhere = s.queued + s.succeeded + s.failed + s.cancelled + s.waiting;
    s.running = s.submitted > elsewhere ? s.submitted - elsewhere : 0;
  }
  s.rejected = rejected_.load();
  s.retried = retried_.load();
  s.late = late_.load();
  s.workers_started = workers_started_.load();
  s.workers_died = workers_died_.load();
  s.degraded = degraded_.load();
  return s;
}

std::vector<std::string> engine::pending() {
  std::vector<std::string> names;
  const auto add = [&names](const task& t) {
    names.push_back("task " + std::to_string(t.id) +
                    (t.extras && !t.extras->id.empty() ? " (" + t.extras->id + ")" : std::string()));
  };
  std::vector<task_ref<>> held;
  crew_->held(held);
  for (const auto& t : held)
    if (!t->settled()) add(*t);
  const std::lock_guard lock(intake_.mutex());
  intake_.for_each(add);
  return names;
}

subscription engine::on(std::optional<event_kind> kind, event_handler handler) {
  const std::lock_guard lock(listeners_mutex_);
  const auto id = static_cast<subscription>(++last_subscription_);
  listeners_.push_back(std::make_shared<const listener>(listener{id, kind, std::move(handler)}));
  listened_to_.store(true, std::memory_order_relaxed);
  return id;
}

void engine::off(subscription which) {
  const std::lock_guard lock(listeners_mutex_);
  std::erase_if(listeners_, [which](const auto& l) { return l->id == which; });
  listened_to_.store(!listeners_.empty(), std::memory_order_relaxed);
}

void engine::announce(event e) {
  if (!listened_to_.load(std::memory_order_relaxed)) return;
  e.time = time_->now();
  const auto shared = std::make_shared<const event>(std::move(e));
  std::vector<std::shared_ptr<const listener>> told;  // posted to without the lock: an executor may run it at once
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& l : listeners_)
      if (!l->kind || *l->kind == shared->kind) told.push_back(l);
  }
  for (const auto& l : told) callbacks_->post([l, shared] { l->handler(*shared); });
}

}  // namespace muster::engine
