// SPDX-License-Identifier: MIT
#include "fake_crew.hpp"

#include <algorithm>
#include <stdexcept>

#include <muster/context.hpp>

namespace muster::sim {

using detail::task;
using detail::task_ref;
using engine::revoked;
using engine::worker_event;

detail::ran sim_task::run(task& t, context&, bool, std::exception_ptr& error) {
  auto& self = static_cast<sim_task&>(t);
  if (self.plays.throws) {
    error = std::make_exception_ptr(std::runtime_error("as written"));
    return detail::ran::threw;
  }
  if (!self.claim()) return detail::ran::late;
  self.emplace(static_cast<int>(self.id));
  return detail::ran::stored;
}

const detail::task_ops sim_task::operations{
    .run = &run, .take = &take, .call = nullptr, .destroy = [](task* t) noexcept {
      delete static_cast<sim_task*>(t);
    }};

fake_crew::worker* fake_crew::find(worker_id id) {
  if (id.slot >= workers_.size() || workers_[id.slot].id != id) return nullptr;
  worker& w = workers_[id.slot];
  return w.state == worker_state::dead ? nullptr : &w;
}

void fake_crew::move_worker(worker& w, worker_event e) {
  const auto to = engine::next(w.state, e);
  if (!to)
    return broken("worker: " + std::string(engine::name(w.state)) + " x " + std::string(engine::name(e)));
  w.state = *to;
}

int fake_crew::alive() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                        [](const worker& w) { return w.state != worker_state::dead; }));
}

std::vector<worker_id> fake_crew::staying() const {
  std::vector<worker_id> all;
  for (const worker& w : workers_)
    if (w.state != worker_state::dead && w.state != worker_state::stopping) all.push_back(w.id);
  return all;
}

int fake_crew::placed() const {
  std::size_t all = 0;
  for (const worker& w : workers_) all += w.tasks.size() + w.own.size();
  return static_cast<int>(all);
}

bool fake_crew::hits(worker& w, std::string_view fault, double rate) {
  const std::uint64_t who = std::uint64_t{w.id.slot} << 32U | w.id.generation;
  return rate > 0 && fate_.happens(fault, rate, who, w.asked[std::hash<std::string_view>{}(fault) % 16]++);
}

// -----------------------------------------------------------------------------------------------------------
// steps

time_point fake_crew::next_event() const {
  time_point first = base::never;
  for (const worker& w : workers_) {
    if (w.step != next_step::none) first = std::min(first, w.at);
    if (const auto answer = next_answer(w)) first = std::min(first, w.tasks[*answer].done_at);
  }
  return first;
}

void fake_crew::advance() {
  for (std::size_t slot = 0; slot < workers_.size(); ++slot)
    while (act(workers_[slot])) {}
}

std::optional<std::size_t> fake_crew::next_answer(const worker& w) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < w.tasks.size() && !w.is_gone; ++i)
    if (w.tasks[i].claimed && (!first || w.tasks[i].done_at < w.tasks[*first].done_at)) first = i;
  return first;
}

// What comes first; one that is silent does nothing but come up and die.
bool fake_crew::act(worker& w) {
  const auto which = next_answer(w);
  const time_point answers_at = which ? w.tasks[*which].done_at : base::never;
  const bool steps = w.step != next_step::none && w.at <= answers_at;
  if ((steps ? w.at : answers_at) > clock_.at) return false;
  const bool can_wait = !steps || w.step == next_step::claim || w.step == next_step::leave;
  if (can_wait && w.silent_until > clock_.at) {
    (steps ? w.at : w.tasks[*which].done_at) = w.silent_until + some(w, 50ms);
    return true;
  }
  if (steps)
    do_step(w);
  else
    answer(w, *which);
  return true;
}

// What an open worker does next: claims its oldest task, dies, or nothing.
void fake_crew::plan_step(worker& w) {
  if (w.killed_for || w.step == next_step::die) return;
  w.step = next_step::none;
  if (w.hangs || w.state == worker_state::starting) return;
  fall_silent(w);
  const bool has_claimed = claimed(w) > 0;
  if (w.leaves) {
    if (has_claimed) return;
    w.step = next_step::leave;
    w.at = clock_.at + some(w, 1ms);
  } else if (w.tasks.size() > claimed(w) && claimed(w) < set_.at_once) {
    w.step = hits(w, "dies before it claims", set_.bad.dies_before_claim) ? next_step::die : next_step::claim;
    w.at = clock_.at + some(w, 1ms);
  } else if (!w.tasks.empty()) {
    return;
  } else if (w.state == worker_state::stopping) {
    w.step = next_step::leave;
    w.at = clock_.at + some(w, 1ms);
  } else if (hits(w, "dies idle", set_.bad.dies_idle)) {
    w.step = next_step::die;
    w.at = clock_.at + some(w, 200ms);
  }
}

void fake_crew::fall_silent(worker& w) {
  if (!hits(w, "falls silent", set_.bad.falls_silent)) return;
  write(w, [] { return "falls silent"; });
  meet("falls silent, " + phase);
  w.silent_until = clock_.at + some(w, 300ms);
}

void fake_crew::do_step(worker& w) {
  switch (std::exchange(w.step, next_step::none)) {
    case next_step::none: return;
    case next_step::come_up:
      if (w.state == worker_state::stopping) meet("ready late while stopping");
      write(w, [] { return "comes up"; });
      w.idle_since = clock_.at;
      move_worker(w, worker_event::ready);
      owner_->worker_ready(w.id);
      plan_step(w);
      return pump();
    case next_step::fail_to_come_up:
      meet("does not come up, " + phase);
      write(w, [] { return "does not come up"; });
      return ended(w, "as the dice would have it");
    case next_step::claim: return claim(w);
    case next_step::die: {
      const std::size_t begun = claimed(w);
      const bool others = w.tasks.size() > begun;
      if (!w.killed_for && begun > 1) meet("dies with several tasks begun");
      if (!w.killed_for)
        meet(std::string(
                 begun > 0 ? (others ? "dies with a task begun and others not, " : "dies with a task begun, ")
                 : others  ? "dies with tasks not begun, "
                           : "dies idle, ") +
             phase);
      write(w, [&] { return std::string("dies") + (w.killed_for ? ", killed" : ""); });
      return ended(w, w.state == worker_state::starting ? "killed before it was ready" : "");
    }
    case next_step::leave: write(w, [] { return "ends"; }); return ended(w, "");
  }
}

void fake_crew::claim(worker& w) {
  held_task& head = *std::ranges::find(w.tasks, false, &held_task::claimed);
  sim_task& t = *head.task;
  head.claimed = true;
  fall_silent(w);
  ++t.begun;
  if (t.settled()) broken("task " + std::to_string(t.id) + " begins after it has settled");
  if (t.extras && t.extras->only_on.value_or(w.id.slot) != w.id.slot)
    broken("task " + std::to_string(t.id) + " begins on another worker than the one it was for");
  if (!t.may_begin) broken("task " + std::to_string(t.id) + " begins though it was cancelled before");
  if (owner_->queue().is_paused())
    broken("task " + std::to_string(t.id) + " begins while the pool is paused");
  if (t.most_attempts > 0 && t.begun > t.most_attempts)
    broken("task " + std::to_string(t.id) + " had too many attempts");
  if (claimed(w) > set_.at_once) broken("a worker runs more tasks than it may");
  for (const worker& other : workers_)
    for (const held_task& h : other.tasks)
      if (h.task == &t && other.id != w.id)
        broken("two attempts of task " + std::to_string(t.id) + " at once");
  t.plays = write_script(t);
  write(w, [&] { return "begins task " + std::to_string(t.id); });
  if (hits(w, "is slow", set_.bad.slow)) {
    meet("slow, " + phase);
    t.plays.takes *= 100;
  }
  head.done_at = clock_.at + t.plays.takes;
  const bool dies = hits(w, "dies at work", set_.bad.dies_at_work);
  if (!dies && !t.plays.kills) return plan_step(w);
  w.step = next_step::die;
  w.at = dies ? clock_.at + some(w, t.plays.takes) : head.done_at;
}

void fake_crew::answer(worker& w, std::size_t which) {
  sim_task& t = *w.tasks[which].task;
  if (which > 0) meet("answers before one that began earlier");
  w.tasks.erase(w.tasks.begin() + static_cast<long>(which));
  if (t.settled()) meet("answers late, " + phase);
  write(w, [&] {
    return (t.plays.throws ? "fails task " : "gives task ") + std::to_string(t.id) +
           (t.settled() ? ", late" : "");
  });
  if (w.tasks.empty() && w.state == worker_state::busy) {
    move_worker(w, worker_event::rest);
    w.idle_since = clock_.at;
  }
  const worker_id id = w.id;
  w.has_signal = w.has_signal && !w.tasks.empty();
  if (w.state != worker_state::stopping && hits(w, "leaves", set_.bad.leaves)) {
    meet("leaves, " + phase);
    write(w, [] { return "wants to leave"; });
    w.leaves = true;
    owner_->worker_leaves(id);
  }
  if (++w.served == w.worn_after) {
    meet((w.worn_told ? "has served twice its tasks, " : "has served its tasks, ") + phase);
    owner_->worker_worn(id, engine::recycle_reason::tasks, std::exchange(w.worn_told, true));
    *w.worn_after *= 2;
  }
  pump();
  worker& me = workers_[id.slot];
  note_heads(me);
  if (me.step == next_step::none) plan_step(me);

  std::exception_ptr error;
  context about(t.id, t.attempt(), {});
  switch (t.ops->run(t, about, false, error)) {
    case detail::ran::stored: return owner_->succeeded(t);
    case detail::ran::late:
      return set_.planted == plant::a_double_settle ? owner_->succeeded(t) : owner_->too_late(t);
    case detail::ran::threw: return owner_->failed(t, std::move(error), policy::failure::error);
  }
}

void fake_crew::ended(worker& w, const std::string& problem) {
  const bool was_up = w.state != worker_state::starting && w.state != worker_state::stopping;
  const bool for_its_task =
      w.killed_for == death_cause::run_timeout || w.killed_for == death_cause::cancelled;
  if (w.state != worker_state::stopping && !for_its_task) note_death(w.id.slot);
  w.step = next_step::none;
  take_back_unclaimed(w);
  std::vector<sim_task*> lost;
  for (const held_task& h : w.tasks) lost.push_back(h.task);
  w.tasks.clear();
  for (sim_task* t : std::exchange(w.own, {})) lost.push_back(t);
  move_worker(w, worker_event::end);
  death how{.cause = w.killed_for.value_or(death_cause::signalled),
            .worker = w.id.slot,
            .generation = w.id.generation,
            .signal = SIGSEGV};
  for (const sim_task* t : lost) how.tasks.push_back(owner_->subject_of(*t));
  const auto shared = std::make_shared<const death>(std::move(how));
  for (sim_task* t : lost) {
    if (t->settled()) meet("its worker is killed after it settled");
    if (set_.planted == plant::a_retry_too_many) t->take_back_attempt();
    const bool is_for_one = t->extras && t->extras->only_on;
    owner_->failed(*t, std::make_exception_ptr(unexpected_exit(shared, owner_->subject_of(*t))),
                   is_for_one ? policy::failure::permanent : policy::failure::crash);
  }
  if (set_.planted != plant::a_worker_never_replaced || !was_up)
    owner_->worker_ended(w.id, w.had_tasks, nullptr, problem);
  pump();
}

// -------------------------------------------------------------------------------------------------- the way
// of a task

int fake_crew::free_workers() const {
  return static_cast<int>(std::ranges::count_if(workers_, [this](const worker& w) {
    return has_room(w) && w.tasks.size() < set_.at_once && chooses_.weight(w.id.slot) > 0;
  }));
}

void fake_crew::call_back() {
  for (worker& w : workers_) {
    if (w.state == worker_state::dead || w.tasks.empty()) continue;
    take_back_unclaimed(w);
    if (w.tasks.empty() && w.state == worker_state::busy) {
      move_worker(w, worker_event::rest);
      w.idle_since = clock_.at;
    }
    plan_step(w);
  }
}

void fake_crew::queued(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  pump();
}

bool fake_crew::has_room(const worker& w) const {
  return (w.state == worker_state::idle || w.state == worker_state::busy) && !w.killed_for && !w.has_signal &&
         w.tasks.size() < window();
}

void fake_crew::place(worker& w, sim_task& t) {
  t.count_attempt();
  t.set_worker(w.id.slot);
  w.tasks.push_back({&t});
  w.had_tasks = true;
  if (w.state == worker_state::idle) move_worker(w, worker_event::begin);
  note_heads(w);
  if (w.step == next_step::none) plan_step(w);
}

bool fake_crew::give(task& t, worker_id to) {
  worker* w = find(to);
  if (w == nullptr || w->state == worker_state::stopping || w->killed_for) return false;
  meet("is given a task of its own while it is " + std::string(engine::name(w->state)));
  w->own.push_back(static_cast<sim_task*>(&t));
  pump();
  return true;
}

// How many tasks of its key workers have.
std::size_t fake_crew::beside(const sim_task& t) const {
  std::size_t count = 0;
  for (const worker& w : workers_)
    for (const held_task& h : w.tasks)
      if (t.extras && h.task->extras && !t.names().key.empty() && h.task->names().key == t.names().key)
        ++count;
  return count;
}

void fake_crew::pump() {
  if (std::exchange(pumping_, true)) return;
  for (worker& w : workers_)
    while (!w.own.empty() && has_room(w) && !owner_->queue().is_paused()) {
      sim_task* t = w.own.front();
      w.own.pop_front();
      place(w, *t);
    }
  while (place_one()) {}
  pumping_ = false;
}

policy::load fake_crew::load_of(const worker& w) const {
  const bool serves = (w.state == worker_state::idle || w.state == worker_state::busy) && !w.has_signal;
  return {.open = serves && !w.killed_for && w.tasks.size() < window() && chooses_.weight(w.id.slot) > 0,
          .in_flight = static_cast<std::uint32_t>(w.tasks.size()),
          .stays = !w.killed_for && (serves || w.state == worker_state::starting),
          .generation = w.id.generation};
}

bool fake_crew::place_one() {
  std::vector<policy::load> loads;
  for (const worker& w : workers_) loads.push_back(load_of(w));
  if (std::ranges::none_of(loads, &policy::load::open)) return false;
  auto lock = owner_->queue().lock();
  task* taken = owner_->queue().take();
  if (taken == nullptr) return false;
  auto& t = static_cast<sim_task&>(*taken);
  chooses_.key = policy::key_of(t.names().key);
  const auto chosen = policy::choose(loads, chooses_);
  if (!chosen) {
    meet("waits for the worker of its key, " + phase);
    owner_->put_back(t);
    return false;
  }
  worker& w = workers_[*chosen];
  if (!loads[*chosen].open) broken("a worker was chosen that takes no task");
  if (const std::string rule = rules_->taken(t, owner_->queue(), beside(t), clock_.at); !rule.empty())
    broken(rule);
  lock.unlock();
  place(w, t);
  return true;
}

// Their run time counts from when they could begin, as the process crew has it.
void fake_crew::note_heads(worker& w) {
  for (std::size_t i = 0; i < std::min(w.tasks.size(), set_.at_once); ++i)
    if (!std::exchange(w.tasks[i].may_begin, true)) owner_->began(*w.tasks[i].task, w.id);
}

bool fake_crew::take_back(worker& w, std::size_t index) {
  if (w.tasks[index].claimed) return false;
  if (set_.planted == plant::a_start_after_cancel && index == 1) {
    detail::acquire(*w.tasks[index].task);
    return true;
  }
  w.tasks[index].task->take_back_attempt();
  w.tasks.erase(w.tasks.begin() + static_cast<long>(index));
  if (w.tasks.empty() && w.state == worker_state::busy) {
    move_worker(w, worker_event::rest);
    w.idle_since = clock_.at;
  }
  note_heads(w);
  plan_step(w);
  return true;
}

void fake_crew::take_back_unclaimed(worker& w) {
  if (set_.planted == plant::a_lost_task && !w.tasks.empty() && !w.tasks.back().claimed) w.tasks.pop_back();
  for (std::size_t i = w.tasks.size(); i > 0; --i) {
    sim_task* t = w.tasks[i - 1].task;
    if (w.tasks[i - 1].claimed) continue;
    w.tasks.erase(w.tasks.begin() + static_cast<long>(i - 1));
    t->take_back_attempt();
    if (t->extras && t->extras->only_on) {
      w.own.push_front(t);
      continue;
    }
    const auto lock = owner_->queue().lock();
    rules_->put_back(clock_.at);
    owner_->put_back(*t);
    meet("put back unbegun, " + phase);
  }
}

// ----------------------------------------------------------------------------------------------------------
// the seam

void fake_crew::start(worker_id id) {
  if (workers_.size() <= id.slot) workers_.resize(id.slot + std::size_t{1});
  worker& w = workers_[id.slot];
  if (w.state != worker_state::dead) broken("a slot is filled twice");
  if (shall_rest(id.slot)) broken("a slot is filled before its rest is over");
  w = worker{.id = id, .state = worker_state::starting};
  w.dice = fate_.dice("worker", id.slot, id.generation);
  write(w, [] { return "starts"; });
  if (hits(w, "cannot be started", set_.bad.start_refused)) {
    meet("cannot be started, " + phase);
    write(w, [] { return "cannot be started"; });
    return ended(w, "refused");
  }
  w.step =
      hits(w, "does not come up", set_.bad.start_fails) ? next_step::fail_to_come_up : next_step::come_up;
  w.at = clock_.at + some(w, 5ms);
  if (set_.can_kill && hits(w, "is never ready", set_.bad.never_ready)) {
    write(w, [] { return "hangs before it is ready"; });
    meet("never ready, " + phase);
    w.step = next_step::none;
    w.hangs = true;
  }
}

// More than the limit died there within the window, up to the last one.
bool fake_crew::shall_rest(std::uint32_t slot) const {
  const restart_options& o = set_.restart;
  if (!o.limit || slot >= deaths_.size()) return false;
  const auto most = static_cast<std::size_t>(*o.limit);
  const std::vector<time_point>& deaths = deaths_[slot];
  if (deaths.size() <= most || clock_.at >= deaths.back() + o.cool_down) return false;
  return deaths.back() - deaths[deaths.size() - 1 - most] < o.window;
}

void fake_crew::report_after(worker_id id, std::uint64_t tasks) {
  if (worker* w = find(id)) w->worn_after = tasks;
}

void fake_crew::note_death(std::uint32_t slot) {
  if (deaths_.size() <= slot) deaths_.resize(slot + std::size_t{1});
  deaths_[slot].push_back(clock_.at);
}

void fake_crew::retire(worker_id id) {
  worker* w = find(id);
  if (w == nullptr) {  // the news of its death has crossed with this, so nobody counts it
    if (id.slot < deaths_.size() && !deaths_[id.slot].empty()) deaths_[id.slot].pop_back();
    return;
  }
  if (!w->tasks.empty()) meet("is told to end while it has tasks, " + phase);
  const bool starting = w->state == worker_state::starting;
  write(*w, [] { return "is told to end"; });
  move_worker(*w, worker_event::retire);
  if (set_.can_kill) take_back_unclaimed(*w);
  for (sim_task* t : std::exchange(w->own, {})) owner_->abandon(*t, "its worker ended before");
  if (set_.can_kill && !w->killed_for && w->tasks.empty() && !starting &&
      hits(*w, "ignores that it shall end", set_.bad.ignores_retire)) {
    write(*w, [] { return "hangs at its end"; });
    meet("ignores that it shall end, " + phase);
    w->hangs = true;
    w->step = next_step::none;
  }
  if (!starting) plan_step(*w);
  pump();
}

void fake_crew::kill(worker_id id, death_cause why) {
  if (!set_.can_kill) return;
  worker* w = find(id);
  if (w == nullptr || w->killed_for) return;
  meet("killed: " + std::string(name(why)));
  write(*w, [&] { return "is killed: " + std::string(name(why)); });
  w->killed_for = why;
  w->is_gone = true;
  w->step = next_step::die;
  w->at = clock_.at + some(*w, 2ms);  // the news of it travels
}

void fake_crew::signal(worker_id id, int number, death_cause why) {
  worker* w = find(id);
  if (w == nullptr || w->killed_for) return;
  if (why != death_cause::stopped && w->tasks.empty()) broken("a signal for a task that is over");
  w->has_signal = !w->tasks.empty();
  take_back_unclaimed(*w);
  plan_step(*w);
  write(*w, [&] { return "gets signal " + std::to_string(number); });
  if (hits(*w, "ignores a signal", set_.bad.ignores_signals)) return meet("ignores a signal, " + phase);
  meet("ends by signal " + std::to_string(number));
  w->is_gone = true;
  w->step = next_step::die;
  w->at = clock_.at + some(*w, 2ms);
}

void fake_crew::look(std::vector<engine::happened::worker_looked_at>& seen) {
  for (const worker& w : workers_) {
    if (w.state == worker_state::dead || w.state == worker_state::starting || w.killed_for) continue;
    const bool is_well = !w.hangs && w.silent_until <= clock_.at;
    seen.push_back({w.id, is_well, is_well ? "" : "it is silent"});
  }
}

void fake_crew::doubt(worker_id id) {
  worker* w = find(id);
  if (w == nullptr || (w->state != worker_state::idle && w->state != worker_state::busy)) return;
  meet(std::string("is doubted while it is ") + (w->state == worker_state::busy ? "busy" : "idle"));
  write(*w, [] { return "is doubted"; });
  move_worker(*w, worker_event::doubt);
  take_back_unclaimed(*w);
  plan_step(*w);
  pump();
}

void fake_crew::trust(worker_id id) {
  worker* w = find(id);
  if (w == nullptr || w->state != worker_state::unhealthy) return;
  meet(std::string("is trusted again while it ") + (w->tasks.empty() ? "is idle" : "has a task"));
  move_worker(*w, w->tasks.empty() ? worker_event::ready : worker_event::trust);
  w->idle_since = clock_.at;
  pump();
}

revoked fake_crew::revoke(task& t, bool tell, worker_id& on) {
  for (worker& w : workers_)
    if (std::erase(w.own, &t) > 0) return revoked::taken_back;
  for (worker& w : workers_)
    for (std::size_t i = 0; i < w.tasks.size(); ++i) {
      if (w.tasks[i].task != &t) continue;
      if (take_back(w, i)) {
        meet("taken back, " + phase);
        write(w, [&] { return "loses task " + std::to_string(t.id) + ", which it has not begun"; });
        pump();
        return revoked::taken_back;
      }
      if (!tell) return revoked::gone;
      on = w.id;
      meet("told to stop, " + phase);
      write(w, [&] { return "is told to stop task " + std::to_string(t.id); });
      if (hits(w, "ignores that it was told", set_.bad.ignores_stop)) {
        meet("ignores that it was told, " + phase);
        w.tasks[i].done_at = std::max(w.tasks[i].done_at, clock_.at + 10s);
      } else {
        w.tasks[i].done_at = std::min(w.tasks[i].done_at, clock_.at + some(w, 20ms));
      }
      return revoked::told;
    }
  return revoked::gone;
}

void fake_crew::held(std::vector<task_ref<>>& into) {
  for (const worker& w : workers_) {
    for (const held_task& h : w.tasks) into.push_back(task_ref<>::share(*h.task));
    for (sim_task* t : w.own) into.push_back(task_ref<>::share(*t));
  }
}

bool fake_crew::holds(worker_id id, const task& t) {
  const worker* w = find(id);
  return w != nullptr &&
         std::any_of(w->tasks.begin(), w->tasks.end(), [&](const held_task& h) { return h.task == &t; });
}

void fake_crew::survey(std::vector<engine::happened::surveyed::idle_worker>& idle) {
  for (const worker& w : workers_)
    if (w.state == worker_state::idle) idle.push_back({w.id, w.idle_since});
}

std::vector<std::uint64_t> fake_crew::finish() {
  std::vector<std::uint64_t> stuck;
  for (const worker& w : workers_)
    for (const held_task& h : w.tasks) stuck.push_back(h.task->id);
  return stuck;
}

}  // namespace muster::sim
