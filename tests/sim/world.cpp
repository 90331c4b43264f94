// SPDX-License-Identifier: MIT
#include "world.hpp"

#include <algorithm>

namespace muster::engine {

std::string inspector::stray_timer(const plan& p) {
  for (const auto& [at, which, key] : p.timers_) {
    bool owned = false;
    switch (which) {
      case plan::timer::restart: owned = p.restart_at_ == at; break;
      case plan::timer::shrink: owned = p.shrink_at_ == at; break;
      case plan::timer::stop: owned = p.stop_by_ == at; break;
      case plan::timer::give_up: owned = p.give_up_by_ == at; break;
      case plan::timer::worker_ready:
      case plan::timer::worker_end:
        owned = key < p.workers_.size() && p.workers_[key].due == at &&
                p.workers_[key].state != worker_state::dead;
        break;
      case plan::timer::worker_age:
        owned =
            key < p.workers_.size() && p.workers_[key].ages_at == at &&
            (p.workers_[key].state == worker_state::idle || p.workers_[key].state == worker_state::unhealthy);
        break;
      case plan::timer::look: owned = p.look_at_ == at; break;
      case plan::timer::recycle: owned = p.recycle_again_at_ == at; break;
      case plan::timer::owner_memory: owned = p.look_at_owner_at_ == at; break;
      case plan::timer::task: owned = p.tasks_.contains(key) && p.tasks_.at(key).timer == at; break;
    }
    if (!owned) return "a timer of kind " + std::to_string(static_cast<int>(which)) + " belongs to nobody";
  }
  return {};
}

}  // namespace muster::engine

namespace muster::sim {

using engine::inspector;

// Counts how often a task settles, where it does.
struct world::counter : detail::continuation {
  explicit counter(sim_task& t) : task(t) {
    at_once = true;
    run = [](detail::continuation* c, detail::task&) noexcept {
      const std::unique_ptr<counter> self(static_cast<counter*>(c));
      ++self->task.settled_times;
      self->task.may_begin = false;
    };
  }
  sim_task& task;
};

world::world(std::uint64_t seed, fake_crew::coverage& met) : dice_(seed), met_(met) {
  // Each seed draws which faults there are at all, and how often.
  const auto rate = [this](double most) { return chance(0.5) ? dice_.fraction() * most : 0.0; };
  can_kill_ = chance(0.65);
  fake_crew::settings crew{.can_kill = can_kill_, .seed = dice_.next()};
  crew.window = can_kill_ && chance(0.6) ? 1 + dice_.below(4) : 1;
  crew.bad.start_refused = rate(0.3);
  crew.bad.slow = rate(0.2);
  crew.bad.ignores_stop = rate(0.6);
  if (can_kill_) {
    crew.bad.start_fails = rate(0.6);
    crew.bad.never_ready = rate(0.3);
    crew.bad.dies_idle = rate(0.4);
    crew.bad.dies_at_work = rate(0.3);
    crew.bad.dies_before_claim = rate(0.2);
    crew.bad.ignores_retire = rate(0.5);
    crew.bad.falls_silent = rate(0.1);
    crew.bad.leaves = rate(0.1);
    crew.bad.ignores_signals = rate(0.8);
  }
  engine::settings chosen;
  max_ = 1 + static_cast<int>(dice_.below(6));
  chosen.plan = {.min = static_cast<int>(dice_.below(static_cast<std::uint64_t>(max_) + 1)),
                 .max = max_,
                 .idle_timeout = 1ms + some(300ms),
                 .grace = chance(0.15) ? duration::zero() : some(100ms),
                 .restart = {.first = 1ms + some(50ms), .max = 500ms, .jitter = chance(0.5)},
                 .can_kill = can_kill_,
                 .seed = dice_.next()};
  if (can_kill_) chosen.plan.ready_timeout = 6ms + some(500ms);
  if (chance(0.4)) chosen.plan.life.tasks = 1 + dice_.below(30);
  ages_ = chance(0.3);
  // Longer than an idle worker above the minimum is kept.
  if (ages_) chosen.plan.life.age = 4 * chosen.plan.idle_timeout + 50ms + some(500ms);
  chosen.plan.life.jitter = chance(0.3) ? 0 : dice_.fraction() / 2;
  looks_ = can_kill_ && chance(0.5);
  if (looks_)
    chosen.plan.health = {.interval = 1ms + some(60ms), .failures = 1 + static_cast<int>(dice_.below(4))};
  for (const int signal : {SIGTERM, SIGINT})
    if (can_kill_ && chance(0.5)) {
      chosen.plan.stop.push_back({.signal = signal, .patience = some(60ms)});
      ladder_ += chosen.plan.stop.back().patience;
    }
  capacity_ = 1 + dice_.below(40);
  chosen.queue = {.capacity = capacity_, .when_full = when_full::reject};
  if (chance(0.5))
    chosen.retry = {.attempts = 1 + static_cast<int>(dice_.below(4)),
                    .backoff = {.first = some(20ms), .max = 100ms},
                    .on_crash = chance(0.8),
                    .on_error = chance(0.5)};
  chosen.callbacks = [](const std::function<void()>& f) { f(); };
  longest_run_ = 1ms + some(60ms);
  const double throws = rate(0.5);
  auto made = std::make_unique<fake_crew>(crew, *clock_, met_);
  crew_ = made.get();
  crew_->write_script = [this, throws](sim_task&) {
    return script{.takes = some(longest_run_), .throws = chance(throws)};
  };
  engine_ = std::make_unique<engine::engine>(chosen, std::move(made), clock_);
  engine_->start(false);
  wake_at_ = engine_->act();
  next_user_ = clock_->at;
}

world::~world() {
  tasks_.clear();
  engine_.reset();
}

// -----------------------------------------------------------------------------------------------------------
// the users

void world::submit() {
  auto made = std::make_unique<sim_task>();
  sim_task& t = *made;
  t.priority = static_cast<int>(dice_.below(3));
  user_task entry{detail::task_ref<>::adopt(made.release()), &t, engine_->chosen().retry.attempts, {}};
  if (chance(0.5)) {
    t.extras = std::make_unique<detail::task_extras>();
    t.extras->stop = std::stop_source();
    if (chance(0.3)) t.extras->queue_timeout = 1ms + some(100ms);
    if (chance(0.3)) t.extras->run_timeout = 1ms + some(100ms);
    if (chance(0.2)) t.extras->settle_by = clock_->at + 1ms + some(300ms);
    if (t.extras->queue_timeout || t.extras->run_timeout || t.extras->settle_by)
      t.flags |= detail::task::watched;
    if (chance(0.3)) {
      t.extras->retry = retry_options{.attempts = 1 + static_cast<int>(dice_.below(4)),
                                      .backoff = {.first = some(30ms), .max = 1s},
                                      .on_error = chance(0.7)};
      entry.max_attempts = t.extras->retry->attempts;
    }
  }
  detail::attach(t, new counter(t));
  try {
    engine_->submit(entry.ref);
    tasks_.push_back(std::move(entry));
  } catch (const queue_full&) {
    ++met_["refused: the queue is full"];
    t.settled_times = 0;
    delete static_cast<counter*>(t.continuations.exchange(nullptr));
  }
}

void world::cancel() {
  if (tasks_.empty()) return;
  const user_task& chosen = tasks_[dice_.below(tasks_.size())];
  sim_task& t = *chosen.task;
  if (t.settled()) return;
  ++met_["cancelled while " + std::string(engine::name(t.state.load()))];
  if (t.state.load() == detail::task_state::queued) t.may_begin = false;
  engine_->cancel(t);
  if (!t.may_begin && !t.settled()) fail("a queued task was cancelled and has not settled");
}

void world::recycle() {
  if (!recycles_.empty() && chance(0.3))
    return inspector::give_up_recycle(*engine_, recycles_[dice_.below(recycles_.size())].call);
  const std::uint64_t call = ++last_recycle_;
  engine::happened::recycle_asked what{.call = call, .at_once = 1 + static_cast<int>(dice_.below(3))};
  std::vector<engine::worker_id> old = crew_->staying();
  if (chance(0.2)) {
    what.slot = static_cast<std::uint32_t>(dice_.below(8));
    std::erase_if(old, [&](engine::worker_id w) { return w.slot != what.slot; });
  }
  if (!what.slot && changing_ == 0 && chance(0.5)) {  // the pool lets in one of these at a time
    what.changed = ++last_edition_;
    changing_ = call;
  }
  inspector::ask_recycle(*engine_, what);
  recycles_.push_back({call, std::move(old)});
}

void world::check_recycles() {
  std::erase_if(recycles_, [this](const asked& r) {
    const auto report = inspector::recycle_end(*engine_, r.call);
    if (!report) return false;
    const bool changed = std::exchange(changing_, changing_ == r.call ? 0 : changing_) == r.call;
    ++met_[std::string(changed ? "recycle with changes: " : "recycle: ") +
           (report->rolled_back   ? "rolled back"
            : report->why.empty() ? "all done"
                                  : report->why)];
    if (report->kept + report->leaving == 0)
      for (const engine::worker_id old : r.old)
        if (crew_->is_alive(old))
          fail("a worker is left that was to be replaced, and recycle says it is not");
    if (report->why.empty() && report->kept + report->leaving > 0) fail("recycle does not say why not all");
    return true;
  });
}

void world::user_acts() {
  const int burst = chance(0.2) ? 1 + static_cast<int>(dice_.below(20)) : 1;
  for (int i = 0; i < burst; ++i) submit();
  if (chance(0.2)) cancel();
  if (chance(0.02)) recycle();
  next_user_ = clock_->at + (chance(0.05) ? some(2s) : some(15ms));
}

// -----------------------------------------------------------------------------------------------------------
// the time

void world::step(time_point until) {
  const time_point next =
      std::min({until, crew_->next_event(), wake_at_, stopping_ ? base::never : next_user_});
  clock_->at = std::max(clock_->at, next);
  crew_->advance();
  if (!stopping_ && next_user_ <= clock_->at) user_acts();
  if (crew_->woken() || wake_at_ <= clock_->at || chance(0.05)) wake_at_ = engine_->act();
  crew_->phase = inspector::pausing(inspector::plan_of(*engine_)) ? "degraded"
                 : stopping_                                      ? "stopping"
                                                                  : "serving";
  check();
}

std::string world::run(int events) {
  for (int i = 0; i < events && broken_.empty(); ++i) step(base::never);
  // One world in three is stopped in the midst of it, faults and all.
  if (broken_.empty() && !chance(0.33)) settle_down();
  if (!broken_.empty()) return broken_;

  stopping_ = true;
  const bool at_once = chance(0.2);
  const time_point deadline = at_once ? clock_->at : clock_->at + some(500ms);
  const duration grace = engine_->chosen().plan.grace;
  engine_->begin_stop(deadline, at_once);
  wake_at_ = engine_->act();
  if (chance(0.2)) engine_->begin_stop(clock_->at + some(100ms), chance(0.5));
  wake_at_ = std::min(wake_at_, engine_->act());
  for (int i = 0; !engine_->finished() && broken_.empty(); ++i) {
    if (i > 100'000) fail("stop does not end");
    step(base::never);
    if (clock_->at == base::never) fail("stop waits for ever");
  }
  if (!broken_.empty()) return broken_;
  if (clock_->at > deadline + grace + ladder_ + 10ms) fail("stop came after its deadline and grace");
  check_recycles();
  if (!recycles_.empty()) fail("a recycle is not over when the pool is stopped");
  const stop_report report = engine_->conclude();
  for (const user_task& t : tasks_)
    if (!t.task->settled())
      fail("task " + std::to_string(t.task->id) + " has not settled when the pool is stopped");
  if (crew_->alive() > 0 && can_kill_) fail("a worker is left after stop");
  if (report.stuck.size() != static_cast<std::size_t>(crew_->placed()))
    fail("stop does not name what is stuck");
  if (!report.stuck.empty()) ++met_["stop names stuck tasks"];
  if (report.forced) ++met_["stop was forced"];
  met_["a worker was replaced by a new one"] += engine_->snapshot().workers_recycled;
  // Threads that were given up end some day.
  crew_->no_more_faults();
  for (int i = 0; crew_->next_event() != base::never && i < 1'000; ++i) {
    clock_->at = std::max(clock_->at, crew_->next_event());
    crew_->advance();
  }
  clock_->at += 1h;  // and so does the patience with whom was told
  engine_->act();
  for (const user_task& t : tasks_)
    if (t.task->settled_times != 1) fail("task " + std::to_string(t.task->id) + " settled not once");
  if (inspector::known(*engine_) != 0) fail("the loop still knows tasks that are over");
  return broken_;
}

// The faults are over and the users have gone: everything settles, and the pool goes back to its minimum.
void world::settle_down() {
  crew_->no_more_faults();
  next_user_ = base::never;
  const time_point long_enough = clock_->at + 20s;
  for (int i = 0; i < 200'000 && broken_.empty(); ++i) {
    if ((ages_ || looks_) && clock_->at > long_enough) break;
    if (std::min(crew_->next_event(), wake_at_) == base::never) break;
    step(base::never);
  }
  engine_->act();  // what is over is told lazily
  check_recycles();
  if (!recycles_.empty()) fail("with no faults left, a recycle does not end");
  const stats s = engine_->snapshot();
  if (s.queued + s.running + s.waiting > 0)
    fail("with no faults left, " + std::to_string(s.queued) + " tasks wait, " + std::to_string(s.running) +
         " run and " + std::to_string(s.waiting) + " wait for another attempt, and nothing is to happen");
  for (const user_task& t : tasks_)
    if (!t.task->settled()) fail("task " + std::to_string(t.task->id) + " never settles");
  const int up = inspector::starting_or_up(inspector::plan_of(*engine_));
  if (up != inspector::min_wanted(inspector::plan_of(*engine_)))
    fail("idle, the pool has " + std::to_string(up) + " workers and not its minimum");
  if (!ages_ && !looks_ && inspector::timers(inspector::plan_of(*engine_)) != 0)
    fail("an idle pool at its minimum has timers");
  if (inspector::known(*engine_) != 0) fail("an idle pool knows tasks");
  if (s.degraded) fail("with no faults left, the pool stays degraded");
  if (!ages_ && inspector::has_others(inspector::plan_of(*engine_)))
    fail("a worker has settings that are not in force");
}

// ----------------------------------------------------------------------------------------------------------
// the promises

void world::check() {
  if (const std::string b = crew_->broken(); !b.empty()) fail(b);
  check_recycles();
  const engine::plan& p = inspector::plan_of(*engine_);
  const stats s = engine_->snapshot();
  if (s.submitted != s.queued + s.running + s.waiting + s.succeeded + s.failed + s.cancelled)
    fail("the counters do not add up");
  if (s.submitted != tasks_.size()) fail("a task was counted that was not accepted");
  std::size_t settled = 0;
  for (const user_task& t : tasks_) {
    settled += t.task->settled() ? 1 : 0;
    if (t.task->settled_times > 1) fail("task " + std::to_string(t.task->id) + " settled twice");
    if (t.task->begun > t.max_attempts) fail("task " + std::to_string(t.task->id) + " had too many attempts");
  }
  if (settled != s.succeeded + s.failed + s.cancelled) fail("the counters of settled tasks are wrong");
  // What comes back may exceed the capacity, by what the workers had and what waited for another attempt.
  if (s.peak_queued > capacity_) fail("more tasks were admitted than the queue may hold");
  if (inspector::at_work(p) && crew_->alive() > max_ + inspector::pairs(p))
    fail("more workers live than max and those that are being replaced");
  // Their news may be on the way, so they are counted only when the loop has nothing to do.
  if (wake_at_ > clock_->at && p.wake_at() > clock_->at && inspector::at_work(p) && !inspector::pausing(p) &&
      inspector::leaving(p) == 0 && inspector::starting_or_up(p) < inspector::min_wanted(p))
    fail("fewer workers than min, and no reason for it");
  if (const std::string stray = inspector::stray_timer(p); !stray.empty()) fail(stray);
  if (!broken_.empty() && broken_.find(" at ") == std::string::npos)
    broken_ += " at " + std::to_string((clock_->at - virtual_clock{}.at) / 1us) + " us";
}

}  // namespace muster::sim
