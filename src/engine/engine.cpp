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
  crew_->join();
  callbacks_->stop();
}

// ------------------------------------------------------------------------------------------------ start,
// stop, wait

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
    if (at->home == this)
      throw would_deadlock("wait_idle was called inside a task of the pool it would wait for");
  idle_waiters_.fetch_add(1);
  std::unique_lock lock(notes_mutex_);
  const auto is_idle = [this, &lock] {
    lock.unlock();  // idle() takes the intake's lock, which comes first
    const bool is = idle();
    lock.lock();
    return is;
  };
  bool reached = true;
  if (until)
    reached = changed_.wait_until(lock, *until, is_idle);
  else
    changed_.wait(lock, is_idle);
  idle_waiters_.fetch_sub(1);
  return reached;
}

bool engine::begin_stop(base::time_point deadline, bool at_once) {
  for (const inside* at = here(); at != nullptr; at = at->outer)
    if (at->home == this)
      throw would_deadlock("stop was called inside a task of the pool that it would wait for");
  bool started = false;
  {
    const std::lock_guard lock(intake_.mutex());
    intake_.close();
    started = started_;
  }
  if (!started) return false;
  tell({.what = happened::stop_asked{deadline, at_once}});
  stopping_.store(true);  // after the note above: who sees it may say that all is drained
  look_idle();
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
  const counting apart(*this);
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
  if (cancelling_all_)
    report_.cancelled = total(&tally::cancelled, std::memory_order_relaxed) - cancelled_before_;
  announce({.kind = event_kind::stopped, .text = "nothing of the pool is left"});
  const std::lock_guard lock(notes_mutex_);
  finished_ = true;
  changed_.notify_all();
  return report_;
}

// ----------------------------------------------------------------------------------------------------------
// submit

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
    if (const inside* at = here(); at != nullptr && at->home == this)
      blocked.emplace(*this, "room in its queue");
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
  if ((t->flags & task::watched) != 0) {
    const auto& extras = *t->extras;
    happened::task_watched watched{t->id, {}, extras.settle_by};
    if (extras.queue_timeout) watched.start_by = base::after(time_->now(), *extras.queue_timeout);
    const auto first =
        std::min(watched.start_by.value_or(base::never), watched.settle_by.value_or(base::never));
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

// --------------------------------------------------------------------------------------------------------
// running

namespace {
thread_local const inside* here_now = nullptr;
thread_local const engine* counting_for = nullptr;
thread_local tally* counted_here = nullptr;
}  // namespace

const inside* here() { return here_now; }

bool engine::run(task& t, worker_id worker) {
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
    case detail::ran::stored: count_and_publish(t, outcome::succeeded); break;
    case detail::ran::late: late_.fetch_add(1, std::memory_order_relaxed); break;
    case detail::ran::threw: return end_attempt(t, std::move(error), policy::failure::error);
  }
  leave(t);
  return true;
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

void engine::note_began(task& t, worker_id worker) {
  if ((t.flags & task::reported) != 0)
    t.extras->began.store(time_->now().time_since_epoch().count(), std::memory_order_relaxed);
  if ((t.flags & task::watched) != 0) {
    happened::task_began began{t.id, worker, {}};
    if (t.extras->run_timeout) began.finish_by = base::after(time_->now(), *t.extras->run_timeout);
    tell({.what = began}, began.finish_by.value_or(base::never));
  }
  if (listened_to_.load(std::memory_order_relaxed))
    announce({.kind = event_kind::task_began,
              .text = "attempt " + std::to_string(t.attempt) + " began",
              .worker = worker.slot,
              .generation = worker.generation,
              .task = t.id,
              .task_id = t.extras->id});
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
  if (end_attempt(t, std::move(error), why)) release(t);
}

bool engine::end_attempt(task& t, std::exception_ptr error, policy::failure why) {
  const retry_options& retry = retry_of(t);
  if (!t.settled() && ((t.flags & task::watched) != 0 || policy::run_again(retry, why, t.attempt))) {
    move(t, task_event::wait);
    waiting_.fetch_add(1, std::memory_order_relaxed);
    const happened::attempt_failed what{t.id, t.attempt, retry, why};
    tell({.what = what, .about = task_ref<>::adopt(&t), .error = std::move(error)});
    return false;
  }
  if (!settle(t, outcome::failed, std::move(error))) late_.fetch_add(1, std::memory_order_relaxed);
  leave(t);
  return true;
}

void engine::leave(task& t) {
  move(t, task_event::settle);
  if ((t.flags & task::watched) != 0) tell({.what = happened::task_over{t.id}}, base::never);
}

void engine::let_go(task& t) {
  leave(t);
  release(t);
}

// ---------------------------------------------------------------------------------------------------------
// settling

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
  static constexpr std::atomic<std::size_t> tally::* counts[] = {&tally::succeeded, &tally::failed,
                                                                 &tally::cancelled};
  const auto which = counts[static_cast<std::size_t>(as)];
  tally* const mine = counting_for == this ? counted_here : nullptr;
  const auto count = [&](std::atomic<std::size_t> tally::* what, std::memory_order order) {
    if (mine != nullptr)
      (mine->*what).store((mine->*what).load(std::memory_order_relaxed) + 1, order);
    else
      (shared_.*what).fetch_add(1, order);
  };
  count(which, std::memory_order_relaxed);
  if (as == outcome::failed && (t.flags & task::is_post) != 0) {
    announce({.kind = event_kind::task_failed,
              .text = "a posted task failed",
              .worker = t.worker.load(std::memory_order_relaxed),
              .task = t.id,
              .task_id = t.extras ? t.extras->id : std::string(),
              .error = t.error});
    if (settings_.on_post_error == on_post_error::terminate) {
      std::fprintf(stderr, "muster: a posted task failed, and on_post_error is terminate\n");
      std::terminate();
    }
  }
  if ((t.flags & task::reported) != 0) {
    t.extras->ended = time_->now();
    t.extras->attempts = t.attempt;
    t.extras->ran_on = t.worker.load(std::memory_order_relaxed);
  }
  publish(t);
  count(&tally::published, std::memory_order_release);
  if (mine == nullptr) look_idle();  // others look when they have nothing more to do
}

engine::counting::counting(engine& home) : home_(home) {
  const std::lock_guard lock(home.tallies_mutex_);
  if (home.unused_tallies_.empty()) {
    home.tallies_.push_back(std::make_unique<tally>());
    home.unused_tallies_.push_back(home.tallies_.back().get());
  }
  counted_here = home.unused_tallies_.back();
  counting_for = &home;
  home.unused_tallies_.pop_back();
}

engine::counting::~counting() {
  const std::lock_guard lock(home_.tallies_mutex_);
  home_.unused_tallies_.push_back(counted_here);
  counting_for = nullptr;
}

std::size_t engine::total(std::atomic<std::size_t> tally::* which, std::memory_order order) const {
  const std::lock_guard lock(tallies_mutex_);
  std::size_t sum = (shared_.*which).load(order);
  for (const auto& each : tallies_) sum += ((*each).*which).load(order);
  return sum;
}

// What had settled is added up before what was submitted is read: were they equal, nothing was unsettled
// then.
bool engine::idle() {
  const std::size_t settled = total(&tally::published, std::memory_order_acquire);
  const std::lock_guard lock(intake_.mutex());
  return settled == last_id_;
}

void engine::look_idle() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  if ((!stopping && idle_waiters_.load(std::memory_order_relaxed) == 0) || !idle()) return;
  {
    const std::lock_guard lock(notes_mutex_);
    changed_.notify_all();
  }
  if (stopping && !drained_told_.exchange(true)) tell({.what = happened::drained{}});
}

bool engine::unqueue(task& t) {
  const std::lock_guard lock(intake_.mutex());
  if (t.state.load(std::memory_order_relaxed) != task_state::queued) return false;
  intake_.remove(t);
  return true;
}

// ----------------------------------------------------------------------------------------------------------
// cancel

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
    end_wait(known);
    settle(*t, outcome::cancelled, make<cancelled>(*t, "cancelled before its next attempt"));
    return forget(t->id, now);
  }
  take_away(t, death_cause::cancelled, make<cancelled>(*t, "cancelled before it began"), now);
}

// What is queued goes at once; what a worker was handed and has not begun, and what waits, by the loop.
void engine::cancel_queued() {
  cancel_intake();
  tell({.cancel = true});
}

void engine::cancel_intake() {
  for (;;) {
    std::unique_lock lock(intake_.mutex());
    task* t = intake_.take();
    lock.unlock();
    if (t == nullptr) return;
    settle(*t, outcome::cancelled, make<cancelled>(*t, "cancelled before it began"));
    let_go(*t);
  }
}

void engine::cancel_queued_now(base::time_point now) {
  cancel_intake();  // what a worker's end has brought back meanwhile
  std::vector<task_ref<>> waiting;
  for (auto& [id, known] : known_)
    if (known.held) waiting.push_back(known.ref);
  for (const auto& t : waiting) {
    end_wait(known_[t->id]);  // before it counts as cancelled, as everywhere
    settle(*t, outcome::cancelled, make<cancelled>(*t, "cancelled before its next attempt"));
    forget(t->id, now);
  }
  std::vector<task_ref<>> held;
  crew_->held(held);
  std::ranges::reverse(
      held);  // from the back of each ring, so that none begins because the one before it went
  for (const auto& t : held) {
    worker_id on;
    if (crew_->revoke(*t, false, on) != revoked::taken_back) continue;
    settle(*t, outcome::cancelled, make<cancelled>(*t, "cancelled before it began"));
    let_go(*t);
  }
}

void engine::take_away(const task_ref<>& t, death_cause why, const std::exception_ptr& settled_as,
                       base::time_point now) {
  worker_id on;
  const auto tell_it = [&](worker_id where) {
    if (t->extras) t->extras->stop.request_stop();
    known_[t->id].ref = t;
    plan_.observe(happened::task_told{t->id, where, why}, now);
  };
  const auto end_it = [&] {
    settle(*t, outcome::cancelled, settled_as);
    let_go(*t);
    if ((t->flags & task::watched) == 0) forget(t->id, now);
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
  if (t->settled() && (t->flags & task::watched) == 0) forget(t->id, now);  // it was just done
}

// ---------------------------------------------------------------------------------------------------------
// waiting

// Tasks that wait may run others on their own stack so deep; beyond that they wait like anybody else.
inline constexpr int deepest_help = 200;

// True: nobody had begun t, and it is the caller's now.
bool engine::take_to_help(task& t) {
  worker_id on;
  return unqueue(t) || crew_->revoke(t, false, on) == revoked::taken_back;
}

bool engine::wait_inside(task& t, std::optional<base::time_point> until) {
  const inside* me = here();
  if ((t.flags & task::is_continuation) != 0) {  // the task before it may need us, its own part does not
    if (!detail::wait_until(*t.previous, until)) return false;
    for (;;) {
      const std::uint32_t seen = detail::look_before_sleep(t);
      if (t.settled()) return true;
      if (!detail::sleep_while(t, seen, until)) return t.settled();
    }
  }
  for (;;) {
    const std::uint32_t seen = detail::look_before_sleep(t);
    if (t.settled()) return true;
    if (me->depth < deepest_help && take_to_help(t)) {
      move(t, task_event::begin);
      run_here(t, me->slot);
      continue;
    }
    if (t.state.load(std::memory_order_relaxed) ==
        task_state::waiting) {  // the loop nudges us when it is queued
      if (!detail::sleep_while(t, seen, until)) return t.settled();
      continue;
    }
    std::unique_lock lock(intake_.mutex());
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

// ----------------------------------------------------------------------------------------------------------
// queries

stats engine::snapshot() {
  stats s;
  crew_->describe(s);
  {
    const std::lock_guard lock(intake_.mutex());
    s.submitted = last_id_;
    s.queued = intake_.size();
    s.peak_queued = intake_.peak();
    s.succeeded = total(&tally::succeeded, std::memory_order_relaxed);
    s.failed = total(&tally::failed, std::memory_order_relaxed);
    s.cancelled = total(&tally::cancelled, std::memory_order_relaxed);
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
  for (auto& t : helped()) held.push_back(std::move(t));
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
  std::vector<std::shared_ptr<const listener>>
      told;  // posted to without the lock: an executor may run it at once
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& l : listeners_)
      if (!l->kind || *l->kind == shared->kind) told.push_back(l);
  }
  for (const auto& l : told) callbacks_->post([l, shared] { l->handler(*shared); });
}

}  // namespace muster::engine
