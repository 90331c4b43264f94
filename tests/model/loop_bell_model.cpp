// SPDX-License-Identifier: MIT
// Model: the bell towards the owner's loop. Two workers publish and ring at most once for each sleep, and the
// loop never sleeps through a reply. Epoll is a futex here, and an event descriptor a counter that is emptied
// while awake.
#include "relacy_atomics.hpp"

#include "ipc/loop_bell.hpp"

namespace {

using waiter = muster::ipc::basic_loop_bell_waiter<model::relacy_atomics>;
using ringer = muster::ipc::basic_loop_bell_ringer<model::relacy_atomics>;
using policy = model::relacy_atomics;

constexpr std::uint32_t each = 2;

struct loop_bell : rl::test_suite<loop_bell, 3> {
  static constexpr unsigned places = 3;

  muster::ipc::basic_board<policy> board;
  std::array<model::shared_word<std::uint32_t>, 2> published;  // stands for the reply rings
  model::shared_word<std::uint32_t> event;
  waiter sleeper{board};

  void thread(unsigned index) {
    if (index == 0)
      owner();
    else
      worker(published[index - 1]);
  }

  void worker(model::shared_word<std::uint32_t>& ring) {
    ringer bell{board};
    for (std::uint32_t r = 1; r <= each; ++r) {
      policy::store(ring, r, std::memory_order_release);
      if (!bell.should_ring()) {
        model::reach(0);
        continue;
      }
      policy::fetch_add(event, std::uint32_t{1}, std::memory_order_seq_cst);
      policy::wake(event);
    }
  }

  bool look() {
    std::uint32_t now = 0;
    for (auto& ring : published) now += policy::load(ring, std::memory_order_acquire);
    const bool found = now != taken;
    taken = now;
    return found;
  }

  void owner() {
    while (taken < 2 * each) {
      look();
      if (model::seeded != model::bug::own) empty_event();
      sleeper.before_sleep();
      const bool found = look();
      // The seeded bug empties the descriptor too late, and so swallows the one ring of this sleep.
      if (model::seeded == model::bug::own) empty_event();
      if (found)
        model::reach(1);
      else if (taken < 2 * each) {
        policy::wait(event, 0);
        model::reach(2);
      }
      sleeper.after_sleep();
    }
  }

  void empty_event() { policy::exchange(event, std::uint32_t{0}, std::memory_order_seq_cst); }

  std::uint32_t taken = 0;
};

}  // namespace

int main() {
  using model::bug;
  return model::check<loop_bell>("loop bell", 2'000'000, {bug::no_fence, bug::own});
}
