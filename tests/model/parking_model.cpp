// SPDX-License-Identifier: MIT
// Model: workers that are threads fall asleep and are woken. No task waits while every worker sleeps, a
// worker that is woken wakes the next one when there is more than its own, what is in a batch is run by one
// of those who want it, and no second wake is sent while one is on its way. Tasks wait for each other, so a
// worker that sleeps too long is a run that never ends.
//
// The door is the real one. The rest is a mirror, written by hand, of a few functions of
// thread/thread_crew.cpp and thread/batch.cpp (they have their names here), whose other halves are
// strategies, hooks and retiring.
#include "relacy_atomics.hpp"

#include "engine/door.hpp"

namespace {

using policy = model::relacy_atomics;

using model::task;

constexpr unsigned workers = 2;
constexpr std::size_t all_tasks = 3;

struct parking : rl::test_suite<parking, workers + 1> {
  static constexpr unsigned places = 6;

  struct worker {
    std::array<model::shared_word<task*>, 2> batch;
    model::condition wake;
    model::plain<bool> woken;  // guarded by the lock
  };

  std::array<task, all_tasks> tasks;
  std::array<model::shared_word<std::uint32_t>, all_tasks> begun;
  std::array<worker, workers> all;

  muster::engine::basic_door<task, policy, 2> door;
  model::mutex lock;
  // All below: guarded by the lock.
  std::array<task*, 2 * all_tasks> lane{};
  std::size_t first = 0, last = 0;
  std::array<worker*, workers> sleeping{};
  std::size_t sleepers = 0;
  bool wake_on_its_way = false;
  std::size_t done = 0;

  void thread(unsigned index) {
    if (index < workers)
      serve(all[index]);
    else
      for (task& t : tasks) submit(t);
  }

  // ---- engine/submit.cpp, engine/intake.cpp

  void submit(task& t) {
    if (door.pass(t) != muster::engine::passage::no) return model::reach(0);
    lock.lock();
    bring_in();
    door.number(t);
    lane[last++] = &t;
    queued();
  }

  void bring_in() {
    const bool shut = sleepers > 0 && !wake_on_its_way;
    task* t = door.take([shut](std::uint64_t) { return shut ? 0U : 8U; });
    while (t != nullptr) {
      task* const after = t->next;
      lane[last++] = t;
      t = after;
    }
  }

  // ---- thread/thread_crew.cpp

  void serve(worker& me) {
    lock.lock();
    bring_in();
    for (;;) {
      const std::size_t count = refill(me);
      if (count == 0) {
        if (done == all_tasks) break;
        sleep(me);
        continue;
      }
      if ((count > 1 || last > first) && sleepers > 0 && !wake_on_its_way &&
          model::seeded != model::bug::own_too)
        wake_one();
      else
        lock.unlock();
      const std::size_t ran = run_batch(me, count);
      lock.lock();
      done += ran;
      if (last == first || door.places() == 0) bring_in();
    }
    if (sleepers > 0) return wake_one();  // as `retire` does
    lock.unlock();
  }

  std::size_t refill(worker& me) {
    std::size_t count = 0;
    while (count < me.batch.size() && first < last)
      policy::store(me.batch[count++], lane[first++], std::memory_order_relaxed);
    if (count == 2) model::reach(1);
    if (count > 0) return count;
    task* const t = steal();
    if (t == nullptr) return 0;
    model::reach(2);
    policy::store(me.batch[0], t, std::memory_order_relaxed);
    return 1;
  }

  task* steal() {
    for (worker& w : all)
      for (auto& entry : w.batch)
        if (policy::load(entry, std::memory_order_relaxed) != nullptr)
          if (task* t = policy::exchange(entry, static_cast<task*>(nullptr), std::memory_order_acq_rel))
            return t;
    return nullptr;
  }

  std::size_t run_batch(worker& me, std::size_t count) {
    std::size_t ran = 0;
    for (std::size_t i = 0; i < count; ++i) {
      task* const t = policy::exchange(me.batch[i], static_cast<task*>(nullptr), std::memory_order_acq_rel);
      if (t == nullptr) {
        model::reach(3);
        continue;
      }
      run(*t);
      ++ran;
    }
    return ran;
  }

  // The first two tasks wait for each other.
  void run(task& t) {
    const std::size_t which = static_cast<std::size_t>(&t - tasks.data());
    RL_ASSERT(t.id != 0 && policy::exchange(begun[which], std::uint32_t{1}, std::memory_order_acq_rel) == 0);
    if (which > 1) return;
    rl::backoff pause;
    while (policy::load(begun[1 - which], std::memory_order_acquire) == 0) pause.yield(RL_INFO);
  }

  void sleep(worker& me) {
    sleeping[sleepers++] = &me;
    bring_in();  // shuts the door
    if (last > first && model::seeded != model::bug::own) {
      --sleepers;
      model::reach(4);
      return bring_in();
    }
    me.woken = false;
    while (!me.woken) me.wake.wait(lock);
    model::reach(5);
    wake_on_its_way = false;
    bring_in();
  }

  void queued() {
    if (last == first || sleepers == 0 || wake_on_its_way) return lock.unlock();
    wake_one();
  }

  void wake_one() {
    RL_ASSERT(!wake_on_its_way);
    worker& next = *sleeping[--sleepers];
    next.woken = true;
    wake_on_its_way = true;
    bring_in();
    lock.unlock();
    next.wake.notify_one();
  }

  void after() { RL_ASSERT(done == all_tasks && first == last && door.is_empty()); }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<parking>("parking", 500'000, {bug::own, bug::own_too, bug::weak_exchange});
}
