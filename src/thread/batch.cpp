// SPDX-License-Identifier: MIT
// The tasks a worker has taken from the queue and not begun: how many it takes, how it runs them, and how
// others take them from it.
#include <algorithm>
#include <ranges>
#include <utility>

#include "engine/engine.hpp"
#include "thread/thread_crew.hpp"

namespace muster::thread {

using detail::task;
using engine::task_event;

// How many tasks to take at once: as many as fit into a few microseconds, and no more than a fair share of
// what waits.
std::size_t thread_crew::share(const worker& me) const {
  if (!pulls() || queue().one_at_a_time()) return 1;
  return std::clamp(me.fits(std::chrono::microseconds(10)), std::size_t{1},
                    std::min(longest_batch, 1 + queue().size() / workers_.size()));
}

std::size_t thread_crew::refill(worker& me) {
  me.running.store(nullptr, std::memory_order_relaxed);
  if (me.has_left_some || !pulls())  // where it does not pull, it may have been handed one
    if (const std::size_t left = close_up(me); left > 0) return left;
  if (take_bound(me)) return 1;
  if (me.retiring && std::exchange(me.kept, 0) > 0) surrender(me.id.slot);
  if (me.retiring || binds() || prefers_kept(me)) return 0;
  engine::intake& intake = queue();
  const std::size_t wanted = intake.size() == 0 ? 0 : share(me);
  std::size_t count = 0;
  while (count < wanted) {
    task* t = intake.take();
    if (t == nullptr) break;
    t->set_worker(me.id.slot);
    if (count > 0) lowest_in_batches_ = std::min(lowest_in_batches_, static_cast<int>(t->priority));
    me.batch[count++].store(t, std::memory_order_relaxed);
  }
  if (count > 0 || me.kept > 0) return count;
  if (task* t = steal(me)) {
    t->set_worker(me.id.slot);
    me.batch[0].store(t, std::memory_order_relaxed);
    return 1;
  }
  return 0;
}

// What is left of its batch goes to the front of it.
std::size_t thread_crew::close_up(worker& me) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < longest_batch; ++i) {
    if (me.batch[i].load(std::memory_order_relaxed) == nullptr) continue;
    if (i > count) me.batch[count].store(me.batch[i].exchange(nullptr, std::memory_order_relaxed));
    ++count;
  }
  return count;
}

// The first task that another worker has taken or kept and not begun. One that is idle has none, unless it
// was handed one.
task* thread_crew::steal(const worker& me) {
  for (const auto& w : workers_) {
    if (!w || w.get() == &me || w->state == worker_state::dead) continue;
    if (pulls() && w->state == worker_state::idle) continue;
    for (auto& entry : w->batch)
      if (entry.load(std::memory_order_relaxed) != nullptr)
        if (task* t = entry.exchange(nullptr, std::memory_order_acq_rel)) return t;
  }
  return nullptr;
}

// What a task has posted comes before the next one of the batch, the latest first. What a turn does not come
// to is left for the next one.
void thread_crew::run_batch(worker& me, std::size_t count, std::vector<task*>& finished) {
  const std::size_t most = count + turn_of_kept(me);
  const auto begin = owner_->time().now();
  std::size_t ran = 0;
  const auto run = [&](std::size_t index) { ran += run_entry(me, index, finished) ? 1 : 0; };
  const auto run_latest = [&] {
    while (me.kept > 0 && ran < most) run(longest_batch + --me.kept);
  };
  if (prefers_kept(me)) run_latest();
  if (me.turns % now_and_then == 0)
    for (std::size_t i = 0; i < me.kept && ran == 0; ++i) run(longest_batch + i);  // the oldest
  for (std::size_t i = 0; i < count && ran < most; ++i) {
    run(i);
    run_latest();
  }
  run_latest();
  ++me.turns;
  me.has_left_some = ran == most;
  if (ran == 0) return;
  const duration took = owner_->time().now() - begin;
  me.busy_time.store(me.busy_time.load(std::memory_order_relaxed) + took.count(), std::memory_order_relaxed);
  me.keep_alive.worked();
  const duration latest = took / static_cast<duration::rep>(ran) + duration(1);
  me.per_task = me.per_task == duration::zero() ? latest : (me.per_task + latest) / 2;
}

// False: somebody was faster.
bool thread_crew::run_entry(worker& me, std::size_t index, std::vector<task*>& finished) {
  task* t = me.batch[index].load(std::memory_order_relaxed);
  if (t != nullptr) t = me.batch[index].exchange(nullptr, std::memory_order_acq_rel);
  if (t == nullptr) return false;
  move(*t, task_event::begin);
  me.running.store(t, std::memory_order_relaxed);
  if (owner_->run(*t, me.id)) finished.push_back(t);
  me.done.store(me.done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

// Gives tasks that were placed back to the queue, before their equals and in their order; their waiters may
// look again.
void thread_crew::give_back(std::vector<task*>& tasks) {
  std::sort(tasks.begin(), tasks.end(), [](const task* a, const task* b) { return a->id > b->id; });
  for (task* t : tasks) {
    owner_->put_back(*t);
    detail::nudge(*t);
  }
}

// From the end: a worker that takes entries meanwhile gets those that go before the others.
void thread_crew::recall() {
  std::vector<task*> back;
  for (const auto& w : workers_) {
    if (!w || w->state == worker_state::dead) continue;
    for (auto& entry : w->batch | std::views::reverse) {
      task* t = entry.load(std::memory_order_relaxed);
      // An entry that is loaded with the lock is changed by its worker alone, and only to null.
      if (t == nullptr || !entry.compare_exchange_strong(t, nullptr, std::memory_order_acq_rel)) continue;
      back.push_back(t);
    }
  }
  give_back(back);
  lowest_in_batches_ = std::numeric_limits<int>::max();
}

void thread_crew::surrender(std::uint32_t slot) {
  if (slot >= workers_.size()) return;
  std::vector<task*> back;
  for (auto& entry : workers_[slot]->batch)
    if (task* t = entry.exchange(nullptr, std::memory_order_acq_rel)) back.push_back(t);
  if (back.empty()) return;
  give_back(back);
  if (!sleeping_.empty() && !binds()) call_sleeper().notify();
}

}  // namespace muster::thread
