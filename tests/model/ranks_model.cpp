// SPDX-License-Identifier: MIT
// Model: tasks of two priorities and the door, which lets one of them through (engine/intake.cpp's
// mind_the_ranks and bring_in, thread/thread_crew.cpp's recall). No task begins before a more urgent one
// whose submit was over when its worker looked, whether that one is in the door, in the lanes, or behind it
// in the worker's batch.
#include "relacy_atomics.hpp"

#include "engine/door.hpp"

namespace {

using muster::engine::passage;
using policy = model::relacy_atomics;

struct task : model::linked<task> {
  int priority = 0;
};

constexpr std::size_t all_tasks = 5;
constexpr int no_batch = 9;  // more urgent than any task

struct ranks : rl::test_suite<ranks, 3> {
  static constexpr unsigned places = 6;

  std::array<task, all_tasks> tasks;
  model::shared_word<std::uint32_t> urgent_in;  // whose submits are over

  muster::engine::basic_door<task, policy, 2> door;
  std::array<model::shared_word<task*>, 2> batch;
  model::mutex lock;
  // All below: guarded by the lock.
  struct lane {
    std::array<task*, 4 * all_tasks> at{};
    std::size_t first = all_tasks, last = all_tasks;
    [[nodiscard]] bool empty() const { return first == last; }
  };
  std::array<lane, 2> lanes;  // by priority
  bool are_several = false, ranks_changed = false;
  int lowest_in_batch = no_batch;
  // The worker's own.
  std::uint32_t urgent_out = 0;

  void thread(unsigned index) {
    if (index == 2) return work();
    for (std::size_t i = index; i < all_tasks; i += 2) {
      // One submits what is normal, then what is urgent, the other the other way round.
      tasks[i].priority = (i / 2 + index) % 2 == 0 ? 0 : 1;
      submit(tasks[i]);
    }
  }

  // ---- engine/submit.cpp

  void submit(task& t) {
    const bool is_urgent = t.priority == 1;
    const passage how = door.pass(t);
    if (how == passage::no) {
      const std::lock_guard held(lock);
      bring_in();
      door.number(t);
      mind_the_ranks(t, true);
      push_back(t);
      if (ranks_changed) bring_in();
      queued();
    } else if (how == passage::late && model::seeded != model::bug::own) {
      model::reach(0);
      const std::lock_guard held(lock);
      bring_in();
      queued();
    } else if (is_urgent) {
      model::reach(1);
    }
    if (is_urgent) policy::fetch_add(urgent_in, std::uint32_t{1}, std::memory_order_seq_cst);
  }

  // ---- engine/intake.cpp

  [[nodiscard]] bool none_waits() const { return lanes[0].empty() && lanes[1].empty(); }

  void push_back(task& t) {
    lane& to = lanes[static_cast<std::size_t>(t.priority)];
    to.at[to.last++] = &t;
  }

  void bring_in() {
    do {
      ranks_changed = false;
      task* t = door.take([this](std::uint64_t) { return are_several ? 0U : 8U; });
      while (t != nullptr) {
        task* const after = t->next;
        mind_the_ranks(*t, false);
        push_back(*t);
        t = after;
      }
    } while (ranks_changed);
  }

  void mind_the_ranks(const task& t, bool is_new) {
    if (t.priority == door.lets_through() && !are_several) return;
    if (is_new && none_waits()) {
      door.let_through(t.priority);
      are_several = false;
      model::reach(2);
    } else if (!are_several) {
      are_several = true;
      model::reach(3);
    } else {
      return;
    }
    ranks_changed = true;
  }

  // ---- thread/thread_crew.cpp, thread/batch.cpp

  void queued() {
    if (none_waits()) return;
    const int top = lanes[1].empty() ? 0 : 1;
    if (top <= lowest_in_batch) return;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      auto& entry = batch[model::seeded == model::bug::own_too ? i : batch.size() - 1 - i];
      task* t = policy::load(entry, std::memory_order_relaxed);
      if (t == nullptr ||
          !policy::compare_exchange(entry, t, static_cast<task*>(nullptr), std::memory_order_acq_rel))
        continue;
      model::reach(4);
      mind_the_ranks(*t, false);
      lane& to = lanes[static_cast<std::size_t>(t->priority)];
      to.at[--to.first] = t;
      if (ranks_changed) bring_in();
    }
    lowest_in_batch = no_batch;
  }

  void work() {
    rl::backoff pause;
    for (std::size_t ran = 0; ran < all_tasks;) {
      const std::uint32_t came = policy::load(urgent_in, std::memory_order_seq_cst);
      std::size_t count = 0;
      {
        const std::lock_guard held(lock);
        if (none_waits() || are_several) bring_in();
        for (; count < batch.size() && !none_waits(); ++count) {
          lane& from = lanes[lanes[1].empty() ? 0 : 1];
          task* const t = from.at[from.first++];
          if (count > 0) lowest_in_batch = std::min(lowest_in_batch, t->priority);
          policy::store(batch[count], t, std::memory_order_relaxed);
        }
      }
      if (count == 0) pause.yield(RL_INFO);
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t now = i == 0 ? came : policy::load(urgent_in, std::memory_order_seq_cst);
        const task* const t =
            policy::exchange(batch[i], static_cast<task*>(nullptr), std::memory_order_acq_rel);
        if (t == nullptr) continue;
        ++ran;
        if (t->priority == 1)
          ++urgent_out;
        else
          RL_ASSERT(urgent_out >= now);
        if (i == 1 && t->priority == 0) model::reach(5);
      }
    }
  }

  void after() { RL_ASSERT(none_waits() && door.is_empty()); }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<ranks>("ranks", 300'000, {bug::own, bug::own_too});
}
