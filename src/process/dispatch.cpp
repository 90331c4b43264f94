// SPDX-License-Identifier: MIT
// The way of a task to a worker process and back.
#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include <muster/detail/chunk_line.hpp>
#include <muster/error.hpp>

#include "engine/ask_chooser.hpp"
#include "engine/lifecycle.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using detail::task;
using detail::task_ref;
using engine::move;
using engine::revoked;
using engine::task_event;
using engine::worker_event;
using use = engine::happened::worker_used::use;

namespace {
// Of a broadcast: no other worker may have it.
bool is_for_one(const task& t) { return t.extras && t.extras->only_on; }
}  // namespace

// No free worker may take it from the one that has it. What is lent to it is looked up here: the task's own
// list goes when the task settles, which needs no lock.
bool process_crew::stays(const worker_process::placed& call) {
  return is_for_one(*call.task) || (call.blocks && ipc::bound_to(*call.blocks));
}

void process_crew::queued(std::unique_lock<std::mutex>& intake_lock) {
  intake_lock.unlock();
  pump();
}

// Whoever finds the lock taken leaves: the holder looks at pump_wanted_ after it has let go, so nothing is
// missed.
void process_crew::pump() {
  pump_wanted_.store(true);
  std::vector<worker_ref> to_wake;
  while (pump_wanted_.load()) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    pump_wanted_.store(false);
    if (chooser_)
      fill_as_told(lock);
    else
      fill();
    ring(to_wake);
    auto refused = std::exchange(refused_, {});
    lock.unlock();
    for (const auto& w : to_wake) w->sender.wake();
    to_wake.clear();
    for (auto& [t, error] : refused) owner_->failed(*t, std::move(error), policy::failure::permanent);
  }
}

void process_crew::ring(std::vector<worker_ref>& to_wake) {
  for (const auto& w : workers_)
    if (w && std::exchange(w->fresh, false) && w->sender.ring()) to_wake.push_back(w);
}

// How many calls this worker may have at a time. Where tasks are held back each has to wait for its turn, not
// behind another; who pulls gets as many as it can take.
std::size_t process_crew::most_each(const worker_process& w) const {
  if (throttle_ || owner_->queue().one_at_a_time()) return w.at_once;
  return chooses_.how == strategy::pull && !chooser_ ? w.window() : ipc::slot_count;
}

void process_crew::fill() {
  std::array<policy::load, 64> few;
  std::vector<policy::load> many;
  if (workers_.size() > few.size()) many.resize(workers_.size());
  const std::span<policy::load> loads =
      many.empty() ? std::span(few).first(workers_.size()) : std::span<policy::load>(many);
  std::size_t room = 0;
  const auto look = [&](std::size_t slot) -> std::size_t {
    loads[slot] = {};
    const worker_process* w = workers_[slot].get();
    if (w == nullptr) return 0;
    const std::size_t left = w->room(most_each(*w));
    loads[slot] = {.open = left > 0,
                   .in_flight = left > 0 ? static_cast<std::uint32_t>(w->in_flight()) : 0,
                   .stays = w->open() || w->state == worker_state::starting,
                   .generation = w->id.generation};
    return left;
  };
  const auto look_at_all = [&] {
    room = 0;
    for (std::size_t slot = 0; slot < workers_.size(); ++slot) room += look(slot);
    room = std::min(room, may_begin());
  };
  place_own();
  look_at_all();

  std::array<task*, 64> batch;
  engine::intake& intake = owner_->queue();
  for (bool placed_all = true; placed_all;) {
    std::size_t count = 0;
    {
      const auto lock = intake.lock();
      // Where a worker is idle the urgent task goes there, except that some strategies may choose a busy one.
      const bool overtakes = chooses_.may_prefer_busy() || idle_workers_.load(std::memory_order_relaxed) == 0;
      if (const task* next = intake.next(); overtakes && next != nullptr && next->priority > lowest_placed_) {
        recall_for(*next);
        look_at_all();
      }
      while (count < std::min(room, batch.size())) {
        task* t = intake.take();
        if (t == nullptr) break;
        batch[count++] = t;
      }
    }
    if (count == 0) break;
    std::size_t left_over = 0;  // those whose worker has no room: strategy::key, hard
    for (std::size_t i = 0; i < count; ++i) {
      const detail::crossing_call& call = batch[i]->ops->call(*batch[i]);
      if (const auto at = call.blocks ? waits_for(*batch[i]) : std::nullopt) {  // whatever the strategy says
        if (!loads[*at].open) {
          workers_[*at]->own.push_back(batch[i]);
          continue;
        }
        place(*workers_[*at], *batch[i]);
        look(*at);
        --room;
        continue;
      }
      if (chooses_.how == strategy::key) chooses_.key = policy::key_of(batch[i]->names().key);
      auto chosen = policy::choose(loads, chooses_);
      if (const auto seer = chosen ? seer_of(call) : std::nullopt;
          seer && loads[*seer].open && loads[*seer].in_flight <= loads[*chosen].in_flight)
        chosen = seer;
      if (!chosen) {
        batch[left_over++] = batch[i];
        continue;
      }
      place(*workers_[*chosen], *batch[i]);
      look(*chosen);
      --room;
    }
    placed_all = left_over == 0;
    if (placed_all) continue;
    const auto lock = intake.lock();
    while (left_over > 0) owner_->put_back(*batch[--left_over]);
  }
  if (!chooses_.is_hard() && idle_workers_.load(std::memory_order_relaxed) > 0) steal();
}

bool process_crew::anything_waits() {
  const auto intake = owner_->queue().lock();
  return owner_->queue().size() > 0;
}

// While somebody asks, others leave it to that one to look once more.
void process_crew::fill_as_told(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(asking_, true)) {
    asked_meanwhile_ = true;
    return;
  }
  std::vector<candidate> candidates;
  std::vector<worker_ref> seen;
  while (chooser_) {
    asked_meanwhile_ = false;
    place_own();
    candidates.clear();
    seen.clear();
    for (const auto& w : workers_) {
      if (!w || w->room(most_each(*w)) == 0) continue;
      candidates.push_back({w->id.slot, w->in_flight(), w->served, w->in_flight() == 0});
      seen.push_back(w);
    }
    if (candidates.empty() || may_begin() == 0 || !anything_waits()) {
      if (asked_meanwhile_) continue;
      break;
    }
    lock.unlock();
    const auto told = engine::ask_chooser(chooser_, candidates);
    if (!told) owner_->chooser_failed(told.error());
    lock.lock();
    if (!told) chooser_ = nullptr;
    if (!told || (!*told && !asked_meanwhile_)) break;
    if (!*told) continue;
    worker_process& w = *seen[**told];
    if (workers_[w.id.slot].get() != &w || w.room(most_each(w)) == 0) continue;
    task* t = nullptr;
    {
      const auto intake = owner_->queue().lock();
      t = owner_->queue().take();
    }
    if (t == nullptr) continue;
    if (const auto at = waits_for(*t))
      workers_[*at]->own.push_back(t);
    else
      place(w, *t);
  }
  asking_ = false;
  if (!chooser_) fill();  // it has failed
}

// The worker that can write what is lent to the task; firm keys are firmer.
std::optional<std::size_t> process_crew::waits_for(const task& t) const {
  if (chooses_.is_hard()) return std::nullopt;
  const auto token = bound_to(t);
  return token ? slot_of(*token) : std::nullopt;
}

// The worker that alone has seen the block where its arguments lie, where tasks may go anywhere: any other
// gets a copy.
std::optional<std::size_t> process_crew::seer_of(const detail::crossing_call& call) const {
  const detail::block_ref* const home = call.data.block();
  if (home == nullptr || chooses_.how != strategy::pull) return std::nullopt;
  const auto token = (*home)->seen_by.lock();
  return token ? slot_of(*token) : std::nullopt;
}

// The oldest calls of a worker, as many as it runs at once, are those that run; from when a call became one
// of them, its run time counts.
void process_crew::note_running(worker_process& w) {
  w.each_running([&](std::uint64_t position) {
    worker_process::placed& entry = w.at(position);
    if (entry.task == nullptr || entry.begun) return;
    entry.begun = true;
    if (w.at_once > 1) w.next_since = owner_->time().now();
    owner_->began(*entry.task, w.id);
  });
}

// How many workers have calls, and for how long each has.
void process_crew::note_busy(worker_process& w) {
  const bool busy = w.in_flight() > 0;
  if (std::exchange(w.counted_busy, busy) == busy) return;
  const auto now = owner_->time().now();
  if (busy) {
    peak_busy_ = std::max(peak_busy_, ++busy_);
    w.busy_since = now;
  } else {
    --busy_;
    w.busy_time += now - w.busy_since;
  }
}

void process_crew::note_load(worker_process& w) {
  note_busy(w);
  if (w.in_flight() == 0 && w.state != worker_state::stopping) {  // its late task has ended after all
    w.is_being_ended = false;
    w.signals_now = 0;
  }
  if (w.in_flight() > 0 && w.state == worker_state::idle) {
    w.step(worker_event::begin);
  } else if (w.in_flight() == 0 && w.state == worker_state::busy) {
    w.step(worker_event::rest);
    w.idle_since = owner_->time().now();
  }
  note_free(w);
}

// After whatever may have changed it.
void process_crew::note_free(worker_process& w) {
  const bool is_free = w.is_free();
  if (std::exchange(w.counts_free, is_free) == is_free) return;
  idle_workers_.fetch_add(is_free ? 1 : -1, std::memory_order_relaxed);
  w.token->is_free.store(is_free, std::memory_order_relaxed);
}

void process_crew::note_served(worker_process& w, std::size_t answered) {
  w.served += answered;
  if (w.one_task) owner_->worker_used(w.id, use::done);
  if (!w.worn_after || w.served < *w.worn_after) return;
  const std::uint64_t limit = *std::exchange(w.worn_after, std::nullopt);
  const bool overdue = std::exchange(w.worn_told, true);
  if (!overdue && limit <= std::numeric_limits<std::uint64_t>::max() / 2) w.worn_after = 2 * limit;
  owner_->worker_worn(w.id, engine::recycle_reason::tasks, overdue);
}

task* process_crew::take_back(worker_process& w, std::uint64_t position) {
  worker_process::placed& entry = w.at(position);
  if (entry.task == nullptr || !w.sender.take_back(position)) return nullptr;
  task* t = std::exchange(entry, {}).task;
  t->take_back_attempt();
  note_load(w);
  if (w.one_task) owner_->worker_used(w.id, use::returned);
  return t;
}

// ------------------------------------------------------------------------------- what only one worker may
// run

std::vector<worker_id> process_crew::everyone() {
  std::vector<worker_id> all;
  const locked lock(*this);
  for (const auto& w : workers_)
    if (w && w->takes_its_own()) all.push_back(w->id);
  return all;
}

bool process_crew::give(task& t, worker_id to) {
  const locked lock(*this);
  if (to.slot >= workers_.size() || !workers_[to.slot]) return false;
  worker_process& w = *workers_[to.slot];
  if (w.id != to || !w.takes_its_own()) return false;
  w.own.push_back(&t);
  pump_wanted_.store(true);
  return true;
}

// Before what is queued, behind what the worker has already.
void process_crew::place_own() {
  const auto has_own = [](const worker_ref& w) { return w && !w->own.empty(); };
  if (std::ranges::none_of(workers_, has_own)) return;
  if (const auto intake = owner_->queue().lock(); owner_->queue().is_paused()) return;
  for (const auto& w : workers_)
    while (w && !w->own.empty() && may_begin() > 0 && w->room(ipc::slot_count) > 0) {
      task* t = w->own.front();
      w->own.pop_front();
      place(*w, *t);
    }
}

// What it alone was to run. The rest waited for it or for its end, and is queued again: newest first, so that
// the order stays.
std::vector<task*> process_crew::empty_own(worker_process& w) {
  const auto intake = owner_->queue().lock();
  for (auto at = w.own.rbegin(); at != w.own.rend(); ++at)
    if (!is_for_one(**at)) owner_->put_back(**at);
  std::erase_if(w.own, [](const task* t) { return !is_for_one(*t); });
  const auto own = std::exchange(w.own, {});
  return {own.begin(), own.end()};
}

void process_crew::abandon_own(std::vector<task*>& own) {
  for (task* t : own) owner_->abandon(*t, "its worker ended before it could run this");
  own.clear();
}

// What a worker has not begun comes back: what is for anybody to the front of the queue, newest first, and
// what is for it alone to its list.
void process_crew::take_back_all(worker_process& w) {
  const auto intake = owner_->queue().lock();
  for (std::uint64_t position = w.sender.next(); position > w.sender.oldest(); --position) {
    task* t = take_back(w, position - 1);
    if (t == nullptr) continue;
    if (is_for_one(*t))
      w.own.push_front(t);
    else
      owner_->put_back(*t);
  }
}

// What is for one worker alone goes back to its list, the rest before what is queued.
void process_crew::call_back() {
  const locked lock(*this);
  std::vector<task*> back;
  for (const auto& w : workers_) {
    if (!w || w->state == worker_state::dead) continue;
    for (std::uint64_t position = w->sender.next(); position > w->sender.oldest(); --position) {
      task* t = take_back(*w, position - 1);
      if (t == nullptr) continue;
      if (is_for_one(*t))
        w->own.push_front(t);
      else
        back.push_back(t);
    }
  }
  std::ranges::sort(back, [](const task* a, const task* b) { return a->id > b->id; });
  const auto intake = owner_->queue().lock();
  for (task* t : back) owner_->put_back(*t);
}

// Something more urgent waits, and less urgent calls fill the rings: those that have not begun come back, but
// for those that have waited longer than it could overtake. Needs both locks. They go to the front of their
// lanes, newest first, so their order stays.
void process_crew::recall_for(const task& next) {
  const int priority = next.priority;
  const engine::intake& intake = owner_->queue();
  for (const auto& w : workers_) {
    if (!w || !w->open()) continue;
    const std::uint64_t waiting = w->each_running([](std::uint64_t) {});
    for (std::uint64_t position = w->sender.next(); position > waiting; --position) {
      const task* t = w->at(position - 1).task;
      if (t == nullptr || t->priority >= priority || is_for_one(*t) || intake.goes_before(*t, next)) continue;
      if (task* mine = take_back(*w, position - 1)) owner_->put_back(*mine);
    }
  }
  lowest_placed_ = priority;  // what is left has begun, or goes before it
}

// A worker is free and nothing is queued: it gets half of what waits behind the calls that the busiest one
// runs, the oldest first, so that no task waits behind a slow one while somebody is free.
void process_crew::steal() {
  for (const auto& thief : workers_) {
    if (!thief || !thief->is_free() || thief->room(ipc::slot_count) == 0) continue;
    worker_process* victim = nullptr;
    for (const auto& w : workers_)
      if (w && w->in_flight() > w->at_once && (victim == nullptr || w->in_flight() > victim->in_flight()))
        victim = w.get();
    if (victim == nullptr) return;
    const std::size_t waiting = victim->in_flight() - victim->at_once;
    std::size_t wanted = std::min((waiting + 1) / 2, thief->room(ipc::slot_count));
    const std::uint64_t end = victim->sender.next();
    std::uint64_t position = victim->each_running([](std::uint64_t) {});
    for (; position < end && wanted > 0; ++position) {
      if (const auto& there = victim->at(position); there.task == nullptr || stays(there)) continue;
      task* t = take_back(*victim, position);
      if (t == nullptr) continue;
      if (place(*thief, *t)) --wanted;
    }
  }
}

// --------------------------------------------------------------------------------------------- for the
// plan's actions

revoked process_crew::revoke(task& t, bool tell, worker_id& on) {
  const locked lock(*this);
  for (const auto& w : workers_) {
    if (!w) continue;
    if (std::erase(w->own, &t) > 0) return revoked::taken_back;
    for (std::uint64_t position = w->sender.first(); position != w->sender.next();
         position = w->sender.after(position)) {
      if (w->at(position).task != &t) continue;
      if (take_back(*w, position) != nullptr) {
        note_running(*w);
        pump_wanted_.store(true);  // its place is free for what is queued
        return revoked::taken_back;
      }
      if (!tell) return revoked::gone;
      on = w->id;
      w->sender.cancel(position);
      w->sender.wake_cancel();
      return revoked::told;
    }
  }
  return revoked::gone;
}

void process_crew::held(std::vector<task_ref<>>& into) {
  const locked lock(*this);
  for (const auto& w : workers_) {
    if (!w) continue;
    for (std::uint64_t position = w->sender.first(); position != w->sender.next();
         position = w->sender.after(position))
      if (task* t = w->at(position).task) into.push_back(task_ref<>::share(*t));
    for (task* t : w->own) into.push_back(task_ref<>::share(*t));
  }
}

bool process_crew::holds(worker_id id, const task& t) {
  const locked lock(*this);
  if (id.slot >= workers_.size() || workers_[id.slot]->id != id) return false;
  worker_process& w = *workers_[id.slot];
  for (std::uint64_t position = w.sender.first(); position != w.sender.next();
       position = w.sender.after(position))
    if (w.at(position).task == &t) return true;
  return false;
}

}  // namespace muster::process
