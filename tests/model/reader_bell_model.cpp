// SPDX-License-Identifier: MIT
// Model: a thread of the owner that reads a worker's replies for a while instead of the loop. The worker
// rings one of the two, and whatever it publishes is taken, by whoever reads then; a lost ring leaves
// everybody asleep, which is a deadlock. The reply ring is a count here, epoll a futex.
#include "relacy_atomics.hpp"

#include "ipc/loop_bell.hpp"
#include "ipc/reader_bell.hpp"

namespace {

using policy = model::relacy_atomics;
using sizes = model::tiny_sizes<2>;
using loop_waiter = muster::ipc::basic_loop_bell_waiter<policy>;
using loop_ringer = muster::ipc::basic_loop_bell_ringer<policy>;
using reader_bell = muster::ipc::basic_reader_bell<policy, sizes>;
using reader_ringer = muster::ipc::basic_reader_bell_ringer<policy, sizes>;

constexpr std::uint32_t replies = 2;

struct reader_bell_model : rl::test_suite<reader_bell_model, 3> {
  static constexpr unsigned places = 5;

  muster::ipc::basic_board<policy> board;
  reader_bell::request_region requests;
  reader_bell::reply_region memory;
  model::shared_word<std::uint32_t> published;
  model::shared_word<std::uint32_t> event;
  model::mutex lock;  // the crew's
  model::plain<std::uint32_t> taken;

  void thread(unsigned index) {
    if (index == 0)
      loop();
    else if (index == 1)
      worker();
    else
      waiter();
  }

  void worker() {
    loop_ringer to_loop{board};
    reader_ringer to_reader{requests, memory};
    for (std::uint32_t r = 1; r <= replies; ++r) {
      policy::store(published, r, std::memory_order_release);
      policy::fence_seq_cst();
      const auto reader = to_reader.ring();
      if (reader == reader_ringer::answer::wake_it) {
        model::reach(0);
        to_reader.wake();
      }
      if (reader == reader_ringer::answer::is_awake) model::reach(1);
      if (reader == reader_ringer::answer::nobody_reads && to_loop.should_ring_behind_fence()) {
        model::reach(2);
        wake_loop();
      }
    }
  }

  void wake_loop() {
    policy::fetch_add(event, std::uint32_t{1}, std::memory_order_seq_cst);
    policy::wake(event);
  }

  // Whoever takes a reply settles a task, on whose outcome the waiter sleeps too; that is the same word here.
  // Who takes the last one ends the test: nothing rings any more.
  bool take() {
    bool is_last = false;
    bool any = false;
    {
      const std::lock_guard held(lock);
      const std::uint32_t now = policy::load(published, std::memory_order_acquire);
      any = now != taken;
      is_last = any && now == replies;
      taken = now;
    }
    if (any) {
      policy::fetch_add(memory.reader_bell, std::uint32_t{1}, std::memory_order_seq_cst);
      policy::wake(memory.reader_bell);
    }
    if (is_last) wake_loop();
    return any;
  }
  std::uint32_t settled() {
    const std::lock_guard held(lock);
    return taken;
  }

  void loop() {
    loop_waiter bell{board};
    while (settled() < replies) {
      policy::exchange(event, std::uint32_t{0}, std::memory_order_seq_cst);
      bell.before_sleep();
      if (!take() && settled() < replies) policy::wait(event, 0);
      bell.after_sleep();
    }
  }

  // It waits for the first reply, or loses patience before.
  void waiter() {
    reader_bell bell{requests, memory};
    bell.sit();
    const bool is_patient = rl::rand(2) == 0;
    do {
      const std::uint32_t seen = bell.before_sleep();
      take();
      if (settled() == 0) {
        policy::wait(bell.bell(), seen);
        model::reach(3);
      }
      bell.after_sleep();
      take();
    } while (is_patient && settled() == 0);
    bell.leave();
    if (model::seeded == model::bug::own) return;  // what came since it looked nobody was rung for
    if (take()) model::reach(4);
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<reader_bell_model>("reader bell", 1'000'000, {bug::no_fence, bug::own});
}
