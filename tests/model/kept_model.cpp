// SPDX-License-Identifier: MIT
// Model: a worker keeps what its task posts, without the lock, while another one falls asleep. Either the
// sleeper sees it, or the keeper sees that somebody sleeps and queues it; and it is run once. The worker that
// keeps it does not run it here, so a task that nobody sees is a run that never ends.
//
// The door is the real one. The rest is a mirror, written by hand, of `keep_task` and `anything_to_steal`
// in thread/kept.cpp, of `steal` in thread/batch.cpp and of `sleep` and `queued` in thread/thread_crew.cpp.
#include "relacy_atomics.hpp"

#include "engine/door.hpp"

namespace {

using policy = model::relacy_atomics;

using model::task;

struct kept : rl::test_suite<kept, 2> {
  static constexpr unsigned places = 4;

  task posted;
  model::shared_word<std::uint32_t> begun;
  model::shared_word<task*> entry;

  muster::engine::basic_door<task, policy, 2> door;
  model::mutex lock;
  model::condition wake;
  // All below: guarded by the lock.
  task* queued = nullptr;
  bool sleeps = false, woken = false;

  void thread(unsigned index) {
    if (index == 0)
      post();
    else
      serve();
  }

  // ---- the worker whose task posts

  void post() {
    if (!is_open() || !keep_task(posted)) submit(posted);
    rl::backoff pause;
    while (policy::load(begun, std::memory_order_acquire) == 0) pause.yield(RL_INFO);
  }

  bool is_open() const { return door.has_places_beyond(0); }

  bool keep_task(task& t) {
    t.id = 1;
    policy::store(entry, &t, std::memory_order_seq_cst);
    if (model::seeded == model::bug::own_too || is_open()) {
      model::reach(0);
      return true;
    }
    task* expected = &t;
    const bool taken_back =
        policy::compare_exchange(entry, expected, static_cast<task*>(nullptr), std::memory_order_acq_rel);
    model::reach(taken_back ? 1 : 2);
    return !taken_back;
  }

  void submit(task& t) {
    t.id = 1;
    lock.lock();
    queued = &t;
    const bool wakes = sleeps && !woken;
    woken = woken || wakes;
    lock.unlock();
    if (wakes) wake.notify_one();
  }

  // ---- the other one

  void serve() {
    lock.lock();
    task* t = nullptr;
    while ((t = std::exchange(queued, nullptr)) == nullptr && (t = steal()) == nullptr) sleep();
    lock.unlock();
    RL_ASSERT(t->id == 1 && policy::exchange(begun, std::uint32_t{1}, std::memory_order_acq_rel) == 0);
  }

  task* steal() {
    if (policy::load(entry, std::memory_order_relaxed) == nullptr) return nullptr;
    return policy::exchange(entry, static_cast<task*>(nullptr), std::memory_order_acq_rel);
  }

  bool anything_to_steal() { return policy::load(entry, std::memory_order_seq_cst) != nullptr; }

  void mind_the_door() {
    (void)door.take([this](std::uint64_t) { return sleeps && !woken ? 0U : 8U; });
  }

  void sleep() {
    sleeps = true;
    woken = false;
    mind_the_door();
    if (anything_to_steal() && model::seeded != model::bug::own) {
      model::reach(3);
    } else {
      while (!woken) wake.wait(lock);
    }
    sleeps = false;
    mind_the_door();
  }

  void before() {
    (void)door.take([](std::uint64_t) { return 8U; });
  }
  void after() { RL_ASSERT(queued == nullptr && door.is_empty()); }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<kept>("kept", 300'000, {bug::own, bug::own_too, bug::weak_store});
}
