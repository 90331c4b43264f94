// SPDX-License-Identifier: MIT
#include "engine/engine.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdio>

#include <muster/error.hpp>

#include "base/assert.hpp"
#include "engine/registry.hpp"

namespace muster::engine {

engine::engine(settings chosen, std::unique_ptr<crew> workers, std::shared_ptr<const base::clock> time)
    : settings_(std::move(chosen)),
      time_(std::move(time)),
      callbacks_(std::make_shared<callbacks>(settings_.callbacks, this, settings_.name)),
      log_desk_(std::make_shared<log_desk>(settings_.log)),
      watcher_(settings_.watch, settings_.name),
      safeguards_(settings_.safeguards.any()
                      ? std::make_unique<safeguards>(settings_.safeguards, settings_.name)
                      : nullptr),
      intake_(settings_.queue, *time_),
      plan_(settings_.plan),
      may_keep_(settings_.plan.min == settings_.plan.max),
      crew_(std::move(workers)),
      life_(std::make_shared<life>()) {
  {
    const std::lock_guard lock(listeners_mutex_);
    note_listeners();
  }
  intake_.on_wait([this](base::time_point at) { wake_by(at); });
  note_sizes();
  crew_->attach(*this);
  enlist(*this);
}

engine::~engine() {
  MUSTER_ASSERT(!thread_.joinable());
  delist(*this);
  crew_->join();
  callbacks_->stop();
}

// ----------------------------------------------------------------------------------------------------------
// start, stop, wait

namespace {
// Whose loop this thread is. Handlers run on it where the user's executor runs them at once.
thread_local const engine* looping_for = nullptr;
}  // namespace

bool engine::start(bool own_thread, std::optional<edition> born_with) {
  if (state() == pool_state::started) return false;
  if (looping_for == this)
    throw would_deadlock("start was called by a handler that the stop of this pool waits for");
  const std::lock_guard one_at_a_time(starting_);
  bool again = false;
  {
    const auto lock = intake_.lock();
    if (started_ && !intake_.closed()) return false;
    again = started_;
  }
  if (again) end_life();
  leftovers gone;
  const auto lock = intake_.lock();
  const edition before = plan_.settled();
  if (again || born_with) gone = renew(born_with.value_or(before));
  try {
    if (own_thread) start_loop();
  } catch (...) {
    plan_ = plan(settings_.plan, plan_, before);
    const std::lock_guard notes(notes_mutex_);
    life_->finished = life_->concluded = true;
    throw;
  }
  started_ = true;
  state_.store(pool_state::started, std::memory_order_release);  // who sees it and submits waits for the lock
  intake_.open();
  tell({.what = happened::start_asked{}});  // before anybody can say that it is to stop
  return true;
}

void engine::end_life() {
  std::thread ending;
  {
    std::unique_lock lock(notes_mutex_);
    if (!life_->concluded)
      for (const inside* at = here(); at != nullptr; at = at->outer)
        if (at->home == this)
          throw would_deadlock("start was called inside a task of the pool while it stops");
    changed_.wait(lock, [this] { return life_->concluded; });
    ending = std::move(thread_);
  }
  if (ending.joinable()) ending.join();
  if (const auto stuck = crew_->finish(); !stuck.empty())
    throw not_ready("the pool '" + settings_.name + "' cannot be started again while task " +
                    std::to_string(stuck.front()) +
                    " of its life before runs on: nobody can end a thread, so " +
                    "let the task look at its stop token, and start again when it has returned");
  crew_->begin_again();
}

// As it was made, but for what lasts: counters, subscriptions, the numbers of tasks and generations. There is
// no loop now.
engine::leftovers engine::renew(edition born_with) {
  leftovers gone;
  intake_.set(hold::growth, false);
  intake_.set(hold::memory, false);
  plan_ = plan(settings_.plan, plan_, born_with);
  known_.swap(gone.known);
  cancelling_all_ = backlog_wanted_ = forced_ = false;
  killed_.clear();
  const std::lock_guard lock(notes_mutex_);
  notes_.swap(gone.notes);
  sleeps_until_ = base::time_point::min();
  last_start_failure_.clear();
  life_ = std::make_shared<life>();
  stopping_.store(false);
  degraded_.store(false);
  return gone;
}

void engine::start_loop() try {
  const std::lock_guard lock(notes_mutex_);
  thread_ = std::thread([this] { loop(); });
} catch (const std::system_error& e) {
  throw not_ready("the pool '" + settings_.name + "' has no thread of its own: " + e.what());
}

engine::readiness engine::wait_ready(base::time_point until) {
  std::unique_lock lock(notes_mutex_);
  const auto mine = life_;
  base::wait_until(changed_, lock, until, [&mine] { return mine->ready || mine->finished; });
  return mine->ready ? readiness::ready : mine->finished ? readiness::stopped : readiness::not_yet;
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
  bool reached = false;
  for (bool in_time = true; in_time && !reached;) {
    const std::size_t seen = times_idle_;
    lock.unlock();  // idle() takes the intake's lock, which comes first
    reached = idle();
    lock.lock();
    if (reached) break;
    in_time = base::wait_until(changed_, lock, until.value_or(base::never),
                               [this, seen] { return times_idle_ != seen; });
  }
  idle_waiters_.fetch_sub(1);
  return reached;
}

std::shared_ptr<const engine::life> engine::begin_stop(base::time_point deadline, bool at_once) {
  for (const inside* at = here(); at != nullptr; at = at->outer)
    if (at->home == this)
      throw would_deadlock("stop was called inside a task of the pool that it would wait for");
  return shut(deadline, at_once);
}

void engine::close() { (void)shut(base::never, false); }

std::shared_ptr<const engine::life> engine::shut(base::time_point deadline, bool at_once) {
  std::shared_ptr<const life> ends;
  {
    auto lock = intake_.lock();  // so that nobody begins another life meanwhile
    intake_.close();
    if (!started_) {
      state_.store(pool_state::stopped, std::memory_order_release);
    } else {
      auto was = pool_state::started;  // or it is over already
      if (state_.compare_exchange_strong(was, pool_state::stopping, std::memory_order_acq_rel))
        announce({.kind = event_kind::stopping,  // before the loop says that it has stopped
                  .text = at_once ? "the pool is told to end at once"
                                  : "the pool is told to stop; it finishes what was accepted"});
      tell({.what = happened::stop_asked{deadline, at_once}});
      stopping_.store(true);  // after the note above: who sees it may say that all is drained
      const std::lock_guard notes(notes_mutex_);
      ends = life_;
    }
    if (!at_once && deadline > time_->now()) go_on(lock);  // what was accepted is to be finished
  }
  for (const auto& watcher : close_watchers()) watcher->closed(*this);
  if (ends) look_idle();
  return ends;
}

bool engine::watch_close(std::weak_ptr<detail::close_watcher> who) {
  const auto lock = intake_.lock();
  if (intake_.closed()) return false;
  if (close_watchers_.size() >= prune_watchers_at_) {
    std::erase_if(close_watchers_, [](const auto& each) { return each.expired(); });
    prune_watchers_at_ = 2 * close_watchers_.size() + 16;
  }
  close_watchers_.push_back(std::move(who));
  return true;
}

std::vector<std::shared_ptr<detail::close_watcher>> engine::close_watchers() {
  std::vector<std::shared_ptr<detail::close_watcher>> living;
  const auto lock = intake_.lock();
  for (const auto& each : close_watchers_)
    if (auto watcher = each.lock()) living.push_back(std::move(watcher));
  std::ranges::sort(living);  // one may have come again in another life
  living.erase(std::ranges::unique(living).begin(), living.end());
  return living;
}

stop_report engine::stop(base::time_point deadline, bool at_once) {
  const auto mine = begin_stop(deadline, at_once);
  if (!mine) return {};
  std::thread ending;
  std::unique_lock lock(notes_mutex_);
  changed_.wait(lock, [&mine] { return mine->concluded; });
  if (mine == life_) ending = std::move(thread_);  // else who started the pool again has ended it
  stop_report report = mine->report;
  lock.unlock();
  if (ending.joinable()) ending.join();
  callbacks_->settle(std::max(deadline, base::after(time_->now(), settings_.plan.grace)));
  for (const auto& watcher : close_watchers()) report.unread += watcher->unread_of(*this);
  return report;
}

recycle_report engine::recycle(std::optional<std::uint32_t> slot, edition changed,
                               const recycle_options& how) {
  const base::time_point until = base::after(std::chrono::steady_clock::now(), how.deadline);
  {
    const auto lock = intake_.lock();
    throw_unless_started();
    if (intake_.closed()) throw pool_stopped("the pool '" + settings_.name + "' was stopped");
  }
  std::unique_lock lock(notes_mutex_);
  const auto mine = life_;
  const std::uint64_t call = ++last_recycling_;
  recyclings_[call];
  const auto over = [&] { return recyclings_[call].has_value() || mine->finished; };
  const auto say = [&](occurrence what) {
    lock.unlock();
    tell({.what = std::move(what)});
    lock.lock();
  };
  say(happened::recycle_asked{call, slot, how.at_once, changed == 0 ? std::nullopt : std::optional(changed),
                              how.pause});
  if (!base::wait_until(changed_, lock, until, over)) {
    say(happened::recycle_given_up{call});
    changed_.wait(lock, over);
  }
  auto report = std::move(recyclings_[call]);
  recyclings_.erase(call);
  return report ? std::move(*report) : recycle_report{.why = "the pool was stopped"};
}

// -----------------------------------------------------------------------------------------------------------
// pause

void engine::pause() {
  {
    const auto lock = intake_.lock();
    if (intake_.closed() || intake_.is_paused()) return;
    intake_.pause(true);
  }
  crew_->call_back();
  announce({.kind = event_kind::paused, .text = "no task begins until the pool is resumed"});
}

void engine::resume() {
  {
    auto lock = intake_.lock();
    if (!go_on(lock)) return;
  }
  announce({.kind = event_kind::resumed, .text = "tasks begin again"});
}

// With the intake's lock, which it may release. False: nothing was paused.
bool engine::go_on(std::unique_lock<std::mutex>& lock) {
  if (!intake_.is_paused()) return false;
  intake_.pause(false);
  tell_backlog();
  nudge_callback_waiters();
  crew_->resumed(lock);
  return true;
}

namespace {
// The loop's thread is ours: signals of the program go to the program's threads, and SIGPIPE to nobody.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}
}  // namespace

void engine::loop() {
  block_signals();
  pthread_setname_np(pthread_self(), (settings_.name.substr(0, 10) + "-loop").c_str());
  looping_for = this;
  const counting apart(*this);
  for (;;) {
    const auto until = act();
    if (plan_.finished()) break;
    crew_->wait(until);
  }
  conclude();
}

stop_report engine::conclude() {
  stop_report report;
  report.forced = forced_;
  report.stuck = crew_->finish();
  report.killed = killed_.size();
  if (cancelling_all_)
    report.cancelled = total(&tally::cancelled, std::memory_order_relaxed) - cancelled_before_;
  {
    const auto lock = intake_.lock();
    intake_.pause(false);  // another life begins without
  }
  announce({.kind = event_kind::stopped, .text = "nothing of the pool is left"});
  std::unique_lock lock(notes_mutex_);
  life_->report = report;
  life_->finished = true;  // from here on events are sent by who announces them
  changed_.notify_all();
  const std::vector<note> last = std::exchange(notes_, {});
  lock.unlock();
  for (const note& n : last) {
    if (n.event) send(n.event);
    if (n.metrics) hand_over_metrics();
  }
  lock.lock();
  state_.store(pool_state::stopped, std::memory_order_release);
  life_->concluded = true;
  changed_.notify_all();
  return report;
}

// More room counts when there is, less at once: whoever waits for his own pool has to know.
void engine::resize(int min, int max) {
  {
    const auto lock = intake_.lock();
    if (intake_.closed()) throw pool_stopped("the pool '" + settings_.name + "' was stopped");
    settings_.plan.min = min;  // also for the pool's next life
    settings_.plan.max = max;
  }
  tell({.what = happened::resize_asked{min, max}});
}

void engine::note_sizes() { wanted_.store(plan_.wanted(), std::memory_order_relaxed); }

// ----------------------------------------------------------------------------------------------------------
// queries

stats engine::snapshot() {
  stats s;
  crew_->describe(s);
  {
    // From the end of a task's way to its beginning, so that one that goes on meanwhile is not counted twice.
    const auto lock = intake_.lock();
    s.succeeded = total(&tally::succeeded, std::memory_order_acquire);
    s.failed = total(&tally::failed, std::memory_order_acquire);
    s.cancelled = total(&tally::cancelled, std::memory_order_acquire);
    const std::size_t kept = crew_->kept();
    s.queued = intake_.waiting() + kept;
    s.queued_by_priority = intake_.by_priority(kept);
    s.waiting = waiting_.load();
    s.submitted = submitted();
    s.peak_queued = intake_.peak();
    s.paused = intake_.is_paused();
    s.workers_min = settings_.plan.min;
    s.workers_max = settings_.plan.max;
    const std::size_t elsewhere = s.queued + s.succeeded + s.failed + s.cancelled + s.waiting;
    s.running = s.submitted > elsewhere ? s.submitted - elsewhere : 0;
  }
  s.rejected = rejected_.load();
  s.retried = retried_.load();
  s.late = late_.load();
  s.dropped = dropped_.load();
  s.workers_started = workers_started_.load();
  s.workers_died = workers_died_.load();
  s.workers_recycled = workers_recycled_.load();
  s.workers_ended = workers_ended_.load();
  s.degraded = degraded_.load();
  for (const worker_stats& w : s.workers) {
    s.attempts += w.tasks_done;
    s.processing_time += w.busy_time;
  }
  watcher_.describe(s);
  s.workers_wanted = wanted_.load();
  s.quarantined = quarantined_.load();
  if (safeguards_) safeguards_->describe(s);
  return s;
}

std::vector<std::string> engine::pending() {
  std::vector<std::string> names;
  const auto add = [&names](const task& t) { names.push_back(name_of(t)); };
  std::vector<task_ref<>> held;
  crew_->held(held);
  for (auto& t : helped()) held.push_back(std::move(t));
  for (const auto& t : held)
    if (!t->settled()) add(*t);
  const auto lock = intake_.lock();
  intake_.for_each(add);
  return names;
}

void engine::dispatch(detail::continuation* c, task& t) {
  // A std::function must be copyable, so the reference goes into a shared handle.
  callbacks_->post([c, keep = task_ref<>::share(t)] { c->run(c, *keep); });
}

subscription engine::on(std::optional<event_kind> kind, event_handler handler) {
  const std::lock_guard lock(listeners_mutex_);
  const auto id = static_cast<subscription>(++last_subscription_);
  auto made = std::make_shared<listener>();
  made->id = id;
  made->kind = kind;
  made->handler = std::move(handler);
  listeners_.push_back(std::move(made));
  note_listeners();
  return id;
}

void engine::off(subscription which) {
  std::shared_ptr<listener> gone;
  {
    const std::lock_guard lock(listeners_mutex_);
    const auto at =
        std::find_if(listeners_.begin(), listeners_.end(), [which](const auto& l) { return l->id == which; });
    if (at == listeners_.end()) return;
    gone = std::move(*at);
    listeners_.erase(at);
    note_listeners();
  }
  const std::lock_guard until_it_returned(gone->running);
  gone->active = false;
}

// What must not go unheard: the first of these that nobody listens to is told on standard error.
void engine::tell_unheard(const event& e) {
  const bool is_known = e.kind == event_kind::task_failed      ? failure_told_.exchange(true)
                        : e.kind == event_kind::degraded       ? degraded_told_.exchange(true)
                        : e.kind == event_kind::chooser_failed ? chooser_told_.exchange(true)
                                                               : true;
  if (is_known) return;
  const std::string kind(name(e.kind));
  std::fprintf(stderr,
               "muster: the pool '%s': %s (nobody listens to event_kind::%s, so only the first is told; "
               "pool.on(muster::event_kind::%s, handler) silences this)\n",
               settings_.name.c_str(), e.text.c_str(), kind.c_str(), kind.c_str());
}

void engine::chooser_failed(const std::string& how) {
  announce({.kind = event_kind::chooser_failed,
            .text = "choose.chooser failed and is not asked again, workers take tasks when they are free: " +
                    how});
}

void engine::announce(event e) {
  if (!hears(e.kind)) return tell_unheard(e);
  e.time = time_->now();
  auto shared = std::make_shared<const event>(std::move(e));
  if (settings_.callbacks) {  // it may run handlers at once, and we may be called under a lock
    std::unique_lock lock(notes_mutex_);
    if (!life_->finished) {
      lock.unlock();
      return tell({.event = std::move(shared)});
    }
  }
  send(shared);
}

void engine::send(const std::shared_ptr<const event>& what) {
  std::vector<std::shared_ptr<listener>> told;  // posted to without the lock: an executor may run it at once
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& l : listeners_)
      if (!l->kind || *l->kind == what->kind) told.push_back(l);
  }
  if (!log_event(*what) && told.empty()) tell_unheard(*what);
  for (const auto& l : told)
    callbacks_->post([l, what] {
      const std::lock_guard running(l->running);
      if (l->active) l->handler(*what);
    });
}

}  // namespace muster::engine
