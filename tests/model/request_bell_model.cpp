// SPDX-License-Identifier: MIT
// Model: the request bell. A worker that finds nothing sleeps, an owner that hands over rings, and no wake-up
// is lost: a lost one leaves the worker asleep for good, which is a deadlock.
#include "relacy_atomics.hpp"

#include "ipc/request_ring.hpp"

namespace {

using sizes = model::tiny_sizes<4>;
using sender = muster::ipc::basic_request_sender<model::relacy_atomics, sizes>;
using receiver = muster::ipc::basic_request_receiver<model::relacy_atomics, sizes>;

constexpr std::uint64_t calls = 3;

struct request_bell : rl::test_suite<request_bell, 2> {
  static constexpr unsigned places = 2;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies};
  bool ends_by_stop = false;

  void before() { ends_by_stop = rl::rand(2) == 0; }

  void thread(unsigned index) {
    if (index == 0)
      owner();
    else
      worker();
  }

  void owner() {
    for (std::uint64_t p = 0; p < calls; ++p) {
      const auto made = to.prepare({p, 0, 0, 1, 0}, {});
      RL_ASSERT(made);
      to.hand_over(p);
      // Sometimes two in a burst, with one ring behind both.
      if (p + 1 < calls && rl::rand(3) == 0) continue;
      if (to.ring()) {
        model::reach(0);
        to.wake();
      } else {
        model::reach(1);
      }
    }
    if (ends_by_stop) to.stop();
  }

  void worker() {
    std::uint64_t seen = 0;
    for (;;) {
      while (const auto call = from.next()) {
        RL_ASSERT(call->position == seen && call->header.task == seen);
        ++seen;
      }
      if (seen == calls && (!ends_by_stop || from.stopping())) return;
      from.sleep();
      if (from.stopping() && seen != calls) {
        // stop is stored after the last hand-over, so now all calls are there to be seen.
        while (from.next()) ++seen;
        RL_ASSERT(seen == calls);
      }
    }
  }
};

// Cancelling: two calls run, both are cancelled close together, and the watcher learns of both.
struct cancel_bell : rl::test_suite<cancel_bell, 2> {
  static constexpr unsigned places = 1;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies};

  void before() {
    for (std::uint64_t p = 0; p < 2; ++p) {
      static_cast<void>(to.prepare({}, {}));
      to.hand_over(p);
      static_cast<void>(from.next());
    }
  }

  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint64_t p = 0; p < 2; ++p) {
        to.cancel(p);
        to.wake_cancel();
      }
      return;
    }
    for (;;) {
      const std::uint32_t bell = model::seeded == model::bug::own ? 0 : from.cancel_bell();
      if (from.is_cancelled(0) && from.is_cancelled(1)) return;
      if (from.is_cancelled(1)) model::reach(0);
      from.wait_for_cancel(model::seeded == model::bug::own ? from.cancel_bell() : bell);
    }
  }
};

// Health checks: the worker answers every ping before it sleeps, or the next one in its place.
struct ping_bell : rl::test_suite<ping_bell, 2> {
  static constexpr unsigned places = 2;
  static constexpr std::uint32_t pings = 2;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies};

  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint32_t number = 1; number <= pings; ++number) {
        if (to.ping(number)) {
          model::reach(0);
          to.wake();
        } else {
          model::reach(1);
        }
      }
      return;
    }
    for (std::uint32_t last = 0; last != pings;) {
      if (const std::uint32_t number = from.ping()) {
        last = number;
        from.answered(number);
      } else {
        from.sleep();
      }
    }
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<request_bell>("request bell", 700'000, {bug::no_fence, bug::bump_overtakes}) +
         model::check<cancel_bell>("cancel bell", 500'000, {bug::own, bug::weak_load}) +
         model::check<ping_bell>("ping bell", 500'000, {bug::no_fence, bug::bump_overtakes});
}
