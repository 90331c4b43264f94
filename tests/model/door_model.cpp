// SPDX-License-Identifier: MIT
// Model: the door beside the intake's lock. Submitters pass tasks through it, or take the lock where it is
// shut; a worker takes its chain. No task is lost or taken twice, each is seen as it was submitted, those of
// one submitter stay in order, no more come than there is room for, and none after it was shut. Tasks are
// used again, so that the word has the same value twice.
#include "relacy_atomics.hpp"

#include "engine/door.hpp"

namespace {

using policy = model::relacy_atomics;

struct task : model::linked<task> {
  model::plain<unsigned> content;
};

constexpr std::uint64_t each = 3;
constexpr std::uint64_t capacity = 2;

struct doors : rl::test_suite<doors, 3> {
  static constexpr unsigned places = 5;

  muster::engine::basic_door<task, policy, 2> door;
  model::mutex lock;
  // All below: guarded by the lock.
  bool shut = true;
  std::array<task*, 2 * each> lane{};  // stands for the lanes
  std::size_t first = 0, last = 0;
  std::array<std::uint64_t, 2> taken{};  // of each submitter

  // Each submitter's own. A task is free again when its worker says so.
  std::array<std::array<task, 2>, 2> tasks;
  std::array<std::array<model::shared_word<std::uint32_t>, 2>, 2> in_use;

  void thread(unsigned index) {
    if (index == 2)
      worker();
    else
      submitter(index);
  }

  void submitter(unsigned who) {
    for (std::uint64_t n = 0; n < each; ++n) {
      task& t = tasks[who][n % 2];
      rl::backoff pause;
      while (policy::load(in_use[who][n % 2], std::memory_order_acquire) != 0) pause.yield(RL_INFO);
      policy::store(in_use[who][n % 2], std::uint32_t{1}, std::memory_order_relaxed);
      t.id = 0;
      t.content = static_cast<unsigned>(10 * who + n);
      if (door.pass(t) != muster::engine::passage::no) {
        model::reach(0);
        continue;
      }
      const std::lock_guard held(lock);
      bring_in();
      door.number(t);
      push(t);
      model::reach(1);
    }
  }

  std::uint64_t room(std::uint64_t came) const {
    const std::uint64_t waits = last - first + (model::seeded == model::bug::own ? 0 : came);
    return shut || waits >= capacity ? 0 : capacity - waits;
  }

  void bring_in() {
    const bool was_shut = door.places() == 0;
    const std::uint64_t given = door.places();
    std::uint64_t came = 0;
    for (task* t = door.take([this](std::uint64_t n) { return room(n); }); t != nullptr; ++came) {
      task* const after = t->next;
      push(*t);
      t = after;
    }
    RL_ASSERT(came <= given && !(was_shut && came > 0));
    if (came == 2) model::reach(2);
    RL_ASSERT(door.places() == 0 || last - first + door.places() <= capacity);
  }

  void push(task& t) {
    RL_ASSERT(last < lane.size());
    lane[last++] = &t;
  }

  void worker() {
    rl::backoff pause;
    while (first < 2 * each) {
      const std::lock_guard held(lock);
      shut = rl::rand(4) == 0;
      if (shut) model::reach(3);
      bring_in();
      if (first == last) {
        pause.yield(RL_INFO);
        continue;
      }
      task& t = *lane[first++];
      if (first != last) model::reach(4);
      run(t);
    }
  }

  void run(task& t) {
    const unsigned content = t.content;
    const unsigned who = content / 10;
    RL_ASSERT(t.id != 0 && who < 2 && content % 10 == taken[who]);
    ++taken[who];
    policy::store(in_use[who][(content % 10) % 2], std::uint32_t{0}, std::memory_order_release);
  }

  void after() {
    RL_ASSERT(taken[0] == each && taken[1] == each && door.is_empty() && door.newest_number() == 2 * each);
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<doors>("door", 300'000, {bug::weak_exchange, bug::torn_exchange, bug::own});
}
