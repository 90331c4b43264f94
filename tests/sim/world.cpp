// SPDX-License-Identifier: MIT
#include "world.hpp"

#include <algorithm>

namespace muster::sim {

using engine::inspector;

world::world(const setup& chosen, coverage& met)
    : setup_(chosen), met_(met), fate_(chosen.seed), diary_(clock_->at) {
  if (setup_.written_down) {
    fate_.record();
    diary_.open();
  }
  if (setup_.only != nullptr) fate_.allow_only(*setup_.only);
  drawn_ = draw_world(setup_.seed, fate_);
  drawn_.crew.planted = setup_.planted;
  write([&] { return text_of(drawn_); });

  engine::settings pool = drawn_.pool;
  if (setup_.planted == plant::a_queue_over_its_bound) ++*pool.queue.capacity;
  if (setup_.planted == plant::a_worker_too_many) ++pool.plan.max;
  if (setup_.planted == plant::a_slot_that_never_rests && pool.plan.restart.limit) ++*pool.plan.restart.limit;
  if (setup_.planted == plant::a_call_too_many_on_trial && pool.safeguards.breaker)
    ++pool.safeguards.breaker->probes;
  auto made = std::make_unique<fake_crew>(drawn_.crew, *clock_, met_, &fate_, &diary_);
  crew_ = made.get();
  crew_->write_script = [this](sim_task& t) {
    const auto attempt = static_cast<std::uint64_t>(t.attempt());
    base::random dice = fate_.dice("script", t.number, attempt);
    return script{.takes = some(dice, drawn_.longest_run),
                  .throws = fate_.happens("throws", drawn_.throws, t.number, attempt)};
  };
  engine_ = std::make_unique<engine::engine>(pool, std::move(made), clock_);
  engine_->start(false);
  wake_at_ = engine_->act();
  next_user_ = clock_->at;
}

world::~world() {
  tasks_.clear();
  engine_.reset();
}

// In which state the pool is, for the table of what met what.
const char* world::phase() const {
  const engine::plan& p = inspector::plan_of(*engine_);
  if (inspector::pausing(p)) return "degraded";
  if (stopping_) return "stopping";
  if (inspector::pairs(p) > 0) return "recycling";
  return "serving";
}

void world::step(time_point until) {
  const std::uint64_t now = steps_++;
  const time_point next =
      std::min({until, crew_->next_event(), wake_at_, stopping_ ? base::never : next_user_});
  clock_->at = std::max(clock_->at, next);
  crew_->advance();
  if (!stopping_ && next_user_ <= clock_->at) users_act();
  if (crew_->woken() || wake_at_ <= clock_->at || fate_.happens("the loop looks for nothing", 0.05, now))
    wake_at_ = engine_->act();
  crew_->phase = phase();
  check();
}

std::string world::run() {
  live(setup_.events);
  while (broken_.empty() && lives_ < 3 && fate_.happens("another life", 0.25, lives_)) {
    start_again();
    live(setup_.events / 2);
  }
  return broken_;
}

void world::live(int events) {
  const std::uint64_t life = lives_++;
  for (int i = 0; i < events && broken_.empty(); ++i) step(base::never);
  // One life in three is stopped in the midst of it, faults and all.
  const bool calm = broken_.empty() && !fate_.happens("stopped in the midst", 0.33, life);
  if (calm) settle_down();
  if (broken_.empty() && fate_.happens("closed", 0.3, life)) close(calm);
  if (broken_.empty()) stop(life);
  if (broken_.empty()) bury();
}

void world::start_again() {
  write([] { return "start again"; });
  ++met_["started again"];
  crew_->worst(drawn_.crew.bad);
  stopping_ = false;
  changing_ = 0;
  if (!engine_->start(false)) fail("a stopped pool does not start again");
  wake_at_ = engine_->act();
  next_user_ = clock_->at;
}

// The faults are over and the users have gone: everything settles, and the pool goes back to its minimum.
void world::settle_down() {
  write([] { return "no more faults, no more users"; });
  crew_->no_more_faults();
  next_user_ = base::never;
  engine_->resume();
  paused_ = false;
  wake_at_ = engine_->act();
  // Where something is always to happen, the pool is as it stays a while after the last task, and after the
  // last thread that did not stop has come back.
  const bool never_still = drawn_.ages || drawn_.looks || drawn_.pool.plan.report;
  const time_point at_last = clock_->at + 20s;
  time_point long_enough = at_last;
  for (int i = 0; i < 200'000 && broken_.empty(); ++i) {
    if (settled_ == tasks_.size() && recycles_.empty() && crew_->placed() == 0 && long_enough == at_last)
      long_enough = clock_->at + 3s;
    if (never_still && clock_->at > std::min(long_enough, at_last)) break;
    if (std::min(crew_->next_event(), wake_at_) == base::never) break;
    step(base::never);
  }
  if (!broken_.empty()) return;
  engine_->act();  // what is over is told lazily
  check_recycles();
  if (!recycles_.empty()) fail("with no faults left, a recycle does not end");
  const stats s = engine_->snapshot();
  if (s.queued + s.running + s.waiting > 0)
    fail("with no faults left, " + std::to_string(s.queued) + " tasks wait, " + std::to_string(s.running) +
         " run and " + std::to_string(s.waiting) + " wait for another attempt, and nothing is to happen");
  for (const user_task& t : tasks_)
    if (!t.task->settled()) fail("task " + std::to_string(t.task->id) + " never settles");
  const engine::plan& p = inspector::plan_of(*engine_);
  if (const int up = inspector::starting_or_up(p); up != inspector::min_wanted(p))
    fail("idle, the pool has " + std::to_string(up) + " workers and not its minimum");
  if (!never_still && inspector::timers(p) != 0) fail("an idle pool at its minimum has timers");
  if (inspector::known(*engine_) != 0) fail("an idle pool knows tasks");
  if (s.degraded) fail("with no faults left, the pool stays degraded");
  if (!drawn_.ages && inspector::has_others(p)) fail("a worker has settings that are not in force");
}

// No more tasks, and nobody waits. With no faults left it ends by itself, having cancelled nothing.
void world::close(bool calm) {
  if (calm) submit_last();
  next_user_ = base::never;
  write([] { return "close"; });
  const std::size_t cancelled = engine_->snapshot().cancelled;
  engine_->close();
  stopping_ = true;
  wake_at_ = engine_->act();
  const int most = calm ? 100'000 : 50;
  for (int i = 0; i < most && !engine_->finished() && broken_.empty(); ++i) {
    if (std::min(crew_->next_event(), wake_at_) == base::never) break;
    step(base::never);
  }
  ++met_[engine_->finished() ? "closed, and ended by itself" : "closed, and stopped before its end"];
  if (!calm || !broken_.empty()) return;
  if (!engine_->finished()) fail("with no faults left, a closed pool does not end");
  if (engine_->snapshot().cancelled != cancelled) fail("a closed pool has cancelled what it had accepted");
}

void world::stop(std::uint64_t life) {
  stopping_ = true;
  base::random dice = fate_.dice("stop", life);
  const bool at_once = fate_.happens("stop at once", 0.2, life);
  const duration patience = some(dice, 500ms);
  const time_point deadline = at_once ? clock_->at : clock_->at + patience;
  write([&] { return std::string("stop") + (at_once ? ", at once" : ""); });
  engine_->begin_stop(deadline, at_once);
  paused_ = false;
  wake_at_ = engine_->act();
  if (fate_.happens("stop again", 0.2, life))
    engine_->begin_stop(clock_->at + some(dice, 100ms), fate_.happens("stop again at once", 0.5, life));
  wake_at_ = std::min(wake_at_, engine_->act());
  const time_point latest = deadline + drawn_.pool.plan.grace + drawn_.ladder + 10ms;
  while (!engine_->finished() && broken_.empty()) {
    step(base::never);
    if (clock_->at > latest) fail("stop came after its deadline and grace, or never");
  }
}

// Nothing is left of it.
void world::bury() {
  check_recycles();
  if (!recycles_.empty()) fail("a recycle is not over when the pool is stopped");
  const stop_report report = engine_->conclude();
  for (const user_task& t : tasks_)
    if (!t.task->settled())
      fail("task " + std::to_string(t.task->id) + " has not settled when the pool is stopped");
  if (crew_->alive() > 0 && drawn_.crew.can_kill) fail("a worker is left after stop");
  if (report.stuck.size() != static_cast<std::size_t>(crew_->placed()))
    fail("stop does not name what is stuck");
  if (!report.stuck.empty()) ++met_["stop names stuck tasks"];
  if (report.forced) ++met_["stop was forced"];
  met_["a task was set aside"] += engine_->snapshot().quarantined;
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
}

}  // namespace muster::sim
