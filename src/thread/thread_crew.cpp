// SPDX-License-Identifier: MIT
#include "thread/thread_crew.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/assert.hpp"

namespace muster::thread {

using detail::task;
using detail::task_ref;
using engine::revoked;
using engine::task_event;
using engine::worker_event;

void thread_crew::join() {
  for (auto& w : workers_)
    if (w && w->thread.joinable()) w->thread.join();
}

void thread_crew::set_state(worker& w, worker_event event) {
  const auto to = engine::next(w.state, event);
  MUSTER_ASSERT(to.has_value());
  if (w.state == worker_state::busy) --busy_;
  w.state = *to;
  if (w.state == worker_state::busy) peak_busy_ = std::max(peak_busy_, ++busy_);
}

// --------------------------------------------------------------------------------------------------
// the worker

void thread_crew::work(worker& me) {
  pthread_setname_np(pthread_self(),
                     (name_.substr(0, 10) + "-" + std::to_string(me.id.slot)).substr(0, 15).c_str());
  const std::string problem = prepare(me);
  if (problem.empty()) serve(me);
  {
    auto lock = queue().lock();
    set_state(me, worker_event::end);
    if (binds()) hand_out(lock);  // what was to wait for it
  }
  owner_->worker_ended(me.id, me.done.load(std::memory_order_relaxed) > 0, nullptr, problem);
}

// Before it counts as a worker. What its init hook throws is why it does not come up.
std::string thread_crew::prepare(worker& me) {
  if (!manner_.cpus.empty()) {
    const int cpu = manner_.cpus[me.id.slot % manner_.cpus.size()];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    if (const int wrong = pthread_setaffinity_np(pthread_self(), sizeof(one), &one); wrong != 0)
      return "it cannot be pinned to CPU " + std::to_string(cpu) + ": " +
             std::generic_category().message(wrong);
  }
  if (manner_.nice != 0) {  // on Linux each thread has its own
    const auto self = static_cast<id_t>(::gettid());
    errno = 0;
    const int now = ::getpriority(PRIO_PROCESS, self);
    if (errno != 0 || ::setpriority(PRIO_PROCESS, self, now + manner_.nice) != 0)
      return "its niceness cannot be changed: " + std::generic_category().message(errno);
  }
  if (manner_.hooks.keep_alive) me.keep_alive = policy::keep_alive(manner_.hooks.keep_alive_every);
  if (!manner_.hooks.init) return {};
  try {
    manner_.hooks.init();
    return {};
  } catch (const std::exception& e) {
    return std::string("its init hook threw: ") + e.what();
  } catch (...) {
    return "its init hook threw something that is no std::exception";
  }
}

// Not under the lock. What it throws is told, and the worker goes on.
void thread_crew::run_hook(const worker& me, const char* which, const std::function<void()>& hook) {
  std::string what;
  try {
    return hook();
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
    what = "something that is no std::exception";
  }
  owner_->failed_beside_tasks(
      "hook", "worker " + std::to_string(me.id.slot) + ": its " + which + " hook threw: " + what, me.id);
}

void thread_crew::serve(worker& me) {
  const engine::engine::counting counting(*owner_);
  std::vector<task*> finished;  // run, and not let go of yet
  bool looked = false;          // for more, since the last task
  bool may_be_idle = false;     // the pool, since tasks were run: whoever waits for that is to be told
  auto lock = queue().lock();
  set_state(me, worker_event::ready);  // first, so that who is told finds it so
  mind_the_door();
  lock.unlock();
  owner_->worker_ready(me.id);
  here_ = {this, &me};
  queue().lock(lock);
  for (;;) {
    if (!me.own.empty() && (me.retiring || !queue().is_paused())) run_own(me, lock);
    const std::size_t count = refill(me);
    const bool has_work = count > 0 || me.kept > 0;
    if (!has_work && !may_be_idle) {
      if (me.retiring) {
        if (queue().size() == 0 || sleeping_.empty() || binds()) break;
        wake_one(lock);  // it may have been woken for a task, which another shall take
        queue().lock(lock);
        break;
      }
      if (pulls() && !std::exchange(looked, true)) {
        look_around(lock);
      } else {
        sleep(me, lock);
      }
      continue;
    }
    if (has_work && me.state == worker_state::idle) set_state(me, worker_event::begin);
    owner_->tell_backlog();
    if (!sleeping_.empty() && !wake_on_its_way_ && !binds() &&
        (count > 1 || queue().size() > 0 || anything_to_steal()))
      wake_one(lock);
    else
      lock.unlock();
    for (task* t : finished) release(*t);  // destroys what they captured: not under the lock
    finished.clear();
    if (has_work) {
      looked = false;
      may_be_idle = true;
      run_batch(me, count, finished);
    } else {
      may_be_idle = false;
      owner_->look_idle();
    }
    queue().lock_to_take(lock);
  }
  lock.unlock();
  here_ = {nullptr, nullptr};
  if (manner_.hooks.close) run_hook(me, "close", manner_.hooks.close);
}

// Each is seen to run as soon as it is out of the list.
void thread_crew::run_own(worker& me, std::unique_lock<std::mutex>& lock) {
  if (me.state == worker_state::idle) set_state(me, worker_event::begin);
  while (task* t = take_own(me.id.slot)) {
    move(*t, task_event::begin);
    me.running.store(t, std::memory_order_relaxed);
    lock.unlock();
    const bool is_ours = owner_->run(*t, me.id);
    me.done.store(me.done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    queue().lock(lock);
    me.running.store(nullptr, std::memory_order_relaxed);
    lock.unlock();
    if (is_ours) release(*t);
    owner_->look_idle();
    queue().lock(lock);
  }
}

std::vector<worker_id> thread_crew::everyone() {
  std::vector<worker_id> all;
  const auto lock = queue().lock();
  for (const auto& w : workers_)
    if (w && w->state != worker_state::dead && !w->retiring) all.push_back(w->id);
  return all;
}

bool thread_crew::give(task& t, worker_id to) {
  auto lock = queue().lock();
  if (to.slot >= workers_.size() || !workers_[to.slot]) return false;
  worker& w = *workers_[to.slot];
  if (w.id != to || w.state == worker_state::dead || w.retiring) return false;
  w.own.push_back(&t);
  if (std::erase(sleeping_, &w) == 0) return true;
  mind_the_door();
  w.woken.store(1, std::memory_order_release);
  lock.unlock();
  w.notify();
  return true;
}

task* thread_crew::take_own(std::uint32_t slot) {
  if (slot >= workers_.size() || workers_[slot]->own.empty()) return nullptr;
  task* t = workers_[slot]->own.front();
  workers_[slot]->own.pop_front();
  return t;
}

// Waking a worker costs the submitter several microseconds; so a worker that had work looks on for about as
// long, giving its processor to whoever wants it.
void thread_crew::look_around(std::unique_lock<std::mutex>& lock) {
  constexpr int looks = 16;
  ++looking_;
  lock.unlock();
  constexpr int least = 6;  // a few tasks taken together cost less than each by itself
  for (int i = 0; i < looks && (i < least || !queue().hint()); ++i) ::sched_yield();
  queue().lock(lock);
  --looking_;
}

void thread_crew::sleep(worker& me, std::unique_lock<std::mutex>& lock) {
  sleeping_.push_back(&me);
  mind_the_door();
  if ((queue().size() > 0 || anything_to_steal()) && !binds()) {  // it came just now
    sleeping_.pop_back();
    return mind_the_door();
  }
  if (me.state == worker_state::busy) set_state(me, worker_event::rest);
  me.idle_since = owner_->time().now();
  me.woken.store(0, std::memory_order_relaxed);
  if (binds()) hand_out(lock);  // perhaps to this one
  const auto keep_alive_at = me.keep_alive.idle(me.idle_since);
  lock.unlock();
  for (bool in_time = true; in_time && me.woken.load(std::memory_order_acquire) == 0;)
    in_time = base::futex_wait_here(me.woken, 0, keep_alive_at);
  queue().lock(lock);
  const bool woken = me.woken.load(std::memory_order_relaxed) != 0;
  if (!woken) {
    std::erase(sleeping_, &me);
    mind_the_door();
    if (!me.keep_alive.is_due(owner_->time().now())) return;
    lock.unlock();
    run_hook(me, "keep-alive", manner_.hooks.keep_alive);
    return queue().lock(lock);
  }
  if (me.batch[0].load(std::memory_order_relaxed) == nullptr) wake_on_its_way_ = false;
  mind_the_door();
}

// Who submits must tell us where somebody sleeps whom nobody has woken yet, or where a worker is chosen.
void thread_crew::mind_the_door() {
  queue().set(engine::hold::crew, !pulls() || (!sleeping_.empty() && !wake_on_its_way_));
}

// The worker that fell asleep last, whose caches are warmest. It is still to be notified.
thread_crew::worker& thread_crew::call_sleeper() {
  worker& next = *sleeping_.back();
  sleeping_.pop_back();
  next.woken.store(1, std::memory_order_release);
  wake_on_its_way_ = true;
  mind_the_door();
  return next;
}

void thread_crew::wake_one(std::unique_lock<std::mutex>& lock) {
  worker& next = call_sleeper();
  lock.unlock();
  next.notify();
}

// What is bound to a worker is younger than what it was handed, so it goes back first.
void thread_crew::call_back() {
  const auto lock = queue().lock();
  std::vector<task*> bound;
  for (const auto& w : workers_)
    if (w) bound.insert(bound.end(), w->bound.begin(), w->bound.end());
  for (const auto& w : workers_)
    if (w) w->bound.clear();
  give_back(bound);
  recall();
}

void thread_crew::resumed(std::unique_lock<std::mutex>& lock) {
  const auto has_own = [](worker* w) {
    if (w->own.empty()) return false;
    w->woken.store(1, std::memory_order_release);
    w->notify();
    return true;
  };
  if (std::erase_if(sleeping_, has_own) > 0) mind_the_door();
  queued(lock);
}

void thread_crew::queued(std::unique_lock<std::mutex>& lock) {
  if (queue().size() == 0) return lock.unlock();
  const int lowest =
      keeps_.load() ? std::min(lowest_in_batches_, 0) : lowest_in_batches_;  // what is kept has 0
  if (lowest != std::numeric_limits<int>::max() && queue().top_priority() > lowest) recall();
  if (binds()) {
    hand_out(lock);
    return lock.unlock();
  }
  if (!pulls()) {
    const auto handed = hand_one();
    lock.unlock();
    if (handed && *handed != nullptr) (*handed)->notify();
    return;
  }
  if (sleeping_.empty() || wake_on_its_way_) return lock.unlock();
  wake_one(lock);
}

// --------------------------------------------------------------------------------------------------
// the loop

void thread_crew::worker::begin_again(worker_id as) {
  id = as;
  kept = 0;
  turns = 1;
  has_left_some = false;
  done.store(0, std::memory_order_relaxed);
  busy_time.store(0, std::memory_order_relaxed);
  per_task = {};
  keep_alive = policy::keep_alive();
  state = worker_state::starting;
  retiring = false;
  woken.store(0, std::memory_order_relaxed);
}

void thread_crew::start(worker_id id) {
  if (ended_.empty()) ended_.push_back(std::make_unique<worker>());
  std::unique_ptr<worker> fresh = std::move(ended_.back());
  ended_.pop_back();
  fresh->begin_again(id);
  worker& w = *fresh;
  std::unique_ptr<worker> replaced;
  {
    const auto lock = queue().lock();
    if (workers_.size() <= id.slot) workers_.resize(id.slot + std::size_t{1});
    replaced = std::exchange(workers_[id.slot], std::move(fresh));
    if (replaced) count_gone(*replaced);
  }
  if (replaced) {
    if (replaced->thread.joinable()) replaced->thread.join();  // it has ended
    ended_.push_back(std::move(replaced));
  }
  try {
    w.thread = std::thread([this, &w] { work(w); });
  } catch (const std::system_error& e) {
    std::deque<task*> own;
    {
      auto lock = queue().lock();
      set_state(w, worker_event::end);
      if (binds()) hand_out(lock);
      own.swap(w.own);
    }
    for (task* t : own) owner_->abandon(*t, "its worker did not come up");
    owner_->worker_ended(id, false, nullptr, std::string("a thread could not be started: ") + e.what());
  }
}

void thread_crew::retire(worker_id id) {
  auto lock = queue().lock();
  worker& w = *workers_[id.slot];
  if (w.id != id || w.state == worker_state::dead) return;
  set_state(w, worker_event::retire);
  w.retiring = true;
  give_back_bound(w);
  if (std::erase(sleeping_, &w) > 0) {
    mind_the_door();
    w.woken.store(1, std::memory_order_release);
    w.notify();
  }
  if (binds()) hand_out(lock);  // what was bound to it
}

revoked thread_crew::revoke(task& t, bool tell, worker_id& on) {
  const auto lock = queue().lock();
  for (const auto& w : workers_) {
    if (!w) continue;
    if (std::erase(w->own, &t) > 0) return revoked::taken_back;
    for (auto& entry : w->batch) {
      task* expected = &t;
      if (entry.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel))
        return revoked::taken_back;
    }
    if (std::erase(w->bound, &t) > 0) return revoked::taken_back;
    if (w->running.load(std::memory_order_relaxed) != &t) continue;
    on = w->id;
    return tell && t.state() == detail::task_state::running ? revoked::told : revoked::gone;
  }
  return revoked::gone;
}

void thread_crew::held(std::vector<task_ref<>>& into) {
  const auto lock = queue().lock();
  for (const auto& w : workers_) {
    if (!w) continue;
    if (task* t = w->running.load(std::memory_order_relaxed)) into.push_back(task_ref<>::share(*t));
    for (task* t : w->bound) into.push_back(task_ref<>::share(*t));
    for (task* t : w->own) into.push_back(task_ref<>::share(*t));
    for (auto& entry : w->batch) {
      // Taken for a moment, so that its worker does not begin and drop it meanwhile.
      task* t = entry.exchange(nullptr, std::memory_order_acq_rel);
      if (t == nullptr) continue;
      into.push_back(task_ref<>::share(*t));
      owner_->put_back(*t);
    }
  }
}

bool thread_crew::holds(worker_id id, const task& t) {
  const auto lock = queue().lock();
  return id.slot < workers_.size() && workers_[id.slot]->id == id &&
         workers_[id.slot]->running.load(std::memory_order_relaxed) == &t &&
         t.state() == detail::task_state::running;
}

void thread_crew::survey(std::vector<engine::happened::surveyed::idle_worker>& idle) {
  const auto lock = queue().lock();
  for (const worker* w : sleeping_) idle.push_back({w->id, w->idle_since});
}

void thread_crew::wait(base::time_point until) {
  std::unique_lock lock(bell_mutex_);
  base::wait_until(bell_, lock, until, [this] { return rung_; });
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
      const auto lock = queue().lock();
      const task* t = w->running.load(std::memory_order_relaxed);
      if (t != nullptr && t->state() == detail::task_state::running) {
        stuck.push_back(t->id);
        continue;  // the destructor waits for it
      }
    }
    if (w->thread.joinable()) w->thread.join();
  }
  return stuck;
}

// All threads are joined; submitters whose tasks were the last may still be in `queued`.
void thread_crew::count_gone(const worker& w) {
  done_before_ += w.done.load(std::memory_order_relaxed);
  busy_before_ += duration(w.busy_time.load(std::memory_order_relaxed));
}

void thread_crew::begin_again() {
  const auto lock = queue().lock();
  MUSTER_ASSERT(sleeping_.empty() && looking_ == 0);
  for (auto& w : workers_) {
    if (!w) continue;
    count_gone(*w);
    ended_.push_back(std::move(w));
  }
  workers_.clear();
  wake_on_its_way_ = false;
  lowest_in_batches_ = std::numeric_limits<int>::max();
}

void thread_crew::describe(stats& into) {
  const auto lock = queue().lock();
  for (const auto& w : workers_)
    if (w)
      into.workers.push_back(
          {.slot = w->id.slot,
           .generation = w->id.generation,
           .state = w->state,
           .tasks_done = w->done.load(std::memory_order_relaxed),
           .busy_time = duration(w->busy_time.load(std::memory_order_relaxed)),
           .idle_since = w->state == worker_state::idle ? std::optional(w->idle_since) : std::nullopt});
  into.peak_busy = peak_busy_;
  into.attempts = done_before_;
  into.processing_time = busy_before_;
}

}  // namespace muster::thread
