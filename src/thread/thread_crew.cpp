// SPDX-License-Identifier: MIT
#include "thread/thread_crew.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include "base/assert.hpp"

namespace muster::thread {

using detail::task;
using detail::task_ref;
using engine::revoked;
using engine::task_event;
using engine::worker_event;

thread_crew::~thread_crew() {
  for (auto& w : workers_)
    if (w && w->thread.joinable()) w->thread.join();
}

void thread_crew::set_state(worker& w, worker_event event) {
  const auto to = engine::next(w.state, event);
  MUSTER_ASSERT(to.has_value());
  w.state = *to;
}

// ------------------------------------------------------------------------------------------------------ the worker

void thread_crew::work(worker& me) {
  pthread_setname_np(pthread_self(), (name_.substr(0, 10) + "-" + std::to_string(me.id.slot)).substr(0, 15).c_str());
  owner_->worker_ready(me.id);
  engine::intake& intake = owner_->queue();
  task_ref<> previous;  // what it captured is destroyed outside the lock
  std::unique_lock lock(mutex());
  set_state(me, worker_event::ready);
  for (;;) {
    task* t = std::exchange(me.handed, nullptr);
    if (t == nullptr) t = intake.take();
    if (t == nullptr) {
      if (me.retiring) break;
      lock.unlock();
      previous = {};
      lock.lock();
      if (intake.size() == 0 && me.handed == nullptr && !me.retiring) sleep(me, lock);
      continue;
    }
    move(*t, task_event::begin);
    t->worker.store(me.id.slot, std::memory_order_relaxed);
    me.running = task_ref<>::share(*t);
    if (me.state == worker_state::idle) set_state(me, worker_event::begin);
    if (intake.size() > 0 && !sleeping_.empty() && !wake_on_its_way_)
      wake_one(lock);
    else
      lock.unlock();
    previous = {};
    owner_->run(*t, me.id);
    lock.lock();
    previous = std::move(me.running);
    ++me.done;
  }
  set_state(me, worker_event::end);
  const bool had_tasks = me.done > 0;
  lock.unlock();
  previous = {};
  owner_->worker_ended(me.id, had_tasks);
}

void thread_crew::sleep(worker& me, std::unique_lock<std::mutex>& lock) {
  if (me.state == worker_state::busy) set_state(me, worker_event::rest);
  me.idle_since = owner_->time().now();
  me.woken = false;
  sleeping_.push_back(&me);
  me.wake.wait(lock, [&me] { return me.woken; });
  if (me.handed == nullptr) wake_on_its_way_ = false;
}

// Wakes the worker that fell asleep last, whose caches are warmest; releases the lock.
void thread_crew::wake_one(std::unique_lock<std::mutex>& lock) {
  worker* next = sleeping_.back();
  sleeping_.pop_back();
  next->woken = true;
  wake_on_its_way_ = true;
  lock.unlock();
  next->wake.notify_one();
}

void thread_crew::queued(std::unique_lock<std::mutex>& lock) {
  if (sleeping_.empty()) return lock.unlock();
  if (how_ == strategy::pull) {
    if (wake_on_its_way_) return lock.unlock();
    return wake_one(lock);
  }
  // Hand it to the chosen one of those who sleep. They have no task, so "fewest" is the lowest slot.
  auto chosen = sleeping_.begin();
  const auto distance = [this](const worker* w) {
    return how_ == strategy::round_robin ? (w->id.slot + workers_.size() - cursor_ % workers_.size()) % workers_.size()
                                         : std::size_t{w->id.slot};
  };
  for (auto at = sleeping_.begin(); at != sleeping_.end(); ++at)
    if (distance(*at) < distance(*chosen)) chosen = at;
  worker* next = *chosen;
  sleeping_.erase(chosen);
  cursor_ = next->id.slot + std::size_t{1};
  next->handed = owner_->queue().take();
  if (next->handed != nullptr) move(*next->handed, task_event::place);
  next->woken = true;
  lock.unlock();
  next->wake.notify_one();
}

// -------------------------------------------------------------------------------------------------------- the loop

void thread_crew::start(worker_id id) {
  auto fresh = std::make_unique<worker>();
  fresh->id = id;
  worker& w = *fresh;
  std::unique_ptr<worker> replaced;
  {
    const std::lock_guard lock(mutex());
    if (workers_.size() <= id.slot) workers_.resize(id.slot + std::size_t{1});
    replaced = std::exchange(workers_[id.slot], std::move(fresh));
  }
  if (replaced && replaced->thread.joinable()) replaced->thread.join();  // it has ended
  try {
    w.thread = std::thread([this, &w] { work(w); });
  } catch (const std::system_error& e) {
    {
      const std::lock_guard lock(mutex());
      set_state(w, worker_event::end);
    }
    owner_->worker_ended(id, false, nullptr, std::string("a thread could not be started: ") + e.what());
  }
}

void thread_crew::retire(worker_id id) {
  const std::lock_guard lock(mutex());
  worker& w = *workers_[id.slot];
  if (w.id != id || w.state == worker_state::dead) return;
  set_state(w, worker_event::retire);
  w.retiring = true;
  const auto asleep = std::find(sleeping_.begin(), sleeping_.end(), &w);
  if (asleep == sleeping_.end()) return;
  sleeping_.erase(asleep);
  w.woken = true;
  w.wake.notify_one();
}

revoked thread_crew::revoke(task& t, bool tell, worker_id& on) {
  const std::lock_guard lock(mutex());
  for (const auto& w : workers_) {
    if (!w) continue;
    if (w->handed == &t) {
      w->handed = nullptr;
      return revoked::taken_back;
    }
    if (w->running.get() != &t) continue;
    on = w->id;
    return tell ? revoked::told : revoked::gone;
  }
  return revoked::gone;
}

void thread_crew::held(std::vector<task_ref<>>& into) {
  const std::lock_guard lock(mutex());
  for (const auto& w : workers_) {
    if (!w) continue;
    if (w->running) into.push_back(w->running);
    if (w->handed != nullptr) into.push_back(task_ref<>::share(*w->handed));
  }
}

bool thread_crew::holds(worker_id id, const task& t) {
  const std::lock_guard lock(mutex());
  return id.slot < workers_.size() && workers_[id.slot]->id == id && workers_[id.slot]->running.get() == &t;
}

void thread_crew::survey(std::vector<engine::happened::surveyed::idle_worker>& idle) {
  const std::lock_guard lock(mutex());
  for (const worker* w : sleeping_) idle.push_back({w->id, w->idle_since});
}

void thread_crew::wait(base::time_point until) {
  std::unique_lock lock(bell_mutex_);
  const auto rung = [this] { return rung_; };
  if (until == base::never)
    bell_.wait(lock, rung);
  else
    bell_.wait_until(lock, until, rung);
  rung_ = false;
}

void thread_crew::wake() {
  const std::lock_guard lock(bell_mutex_);
  rung_ = true;
  bell_.notify_one();
}

std::vector<std::uint64_t> thread_crew::finish() {
  std::vector<std::uint64_t> stuck;
  for (auto& w : workers_) {
    if (!w) continue;
    {
      const std::lock_guard lock(mutex());
      if (w->running) {
        stuck.push_back(w->running->id);
        continue;  // the destructor waits for it
      }
    }
    if (w->thread.joinable()) w->thread.join();
  }
  return stuck;
}

void thread_crew::describe(stats& into) {
  const std::lock_guard lock(mutex());
  for (const auto& w : workers_)
    if (w)
      into.workers.push_back({.slot = w->id.slot, .generation = w->id.generation, .state = w->state,
                              .tasks_done = w->done});
}

}  // namespace muster::thread
