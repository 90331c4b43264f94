// SPDX-License-Identifier: MIT
// Model: hand over, claim, take back. Of the worker's claim and the owner's taking back exactly one wins; the
// worker sees what the owner wrote, in slots that are used again and again.
#include "relacy_atomics.hpp"

#include "ipc/request_ring.hpp"

namespace {

using sizes = model::tiny_sizes<2>;
using sender = muster::ipc::basic_request_sender<model::relacy_atomics, sizes>;
using receiver = muster::ipc::basic_request_receiver<model::relacy_atomics, sizes>;

constexpr std::uint64_t calls = 5;
constexpr unsigned owner_steps = 14;
constexpr unsigned worker_steps = 9;

struct claims : rl::test_suite<claims, 2> {
  static constexpr unsigned places = 4;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies};

  // Stand for replies: the worker's word that it is done with a call.
  std::array<model::shared_word<std::uint32_t>, calls> answered;
  std::array<bool, calls> begun{};
  std::array<bool, calls> returned{};
  std::array<bool, calls> over{};

  void thread(unsigned index) {
    if (index == 0)
      owner();
    else
      worker();
  }

  void owner() {
    for (unsigned i = 0; i < owner_steps; ++i) {
      const unsigned choice = rl::rand(4);
      if (choice < 2) {
        hand_over();
      } else if (choice == 2) {
        take_back(to.oldest() + rl::rand(2));
      } else {
        take_answers();
      }
    }
  }

  void hand_over() {
    if (to.next() == calls) return;
    const std::uint64_t p = to.next();
    const auto payload = model::payload_of(p);
    const auto made = to.prepare({p, p + 1, p + 2, 1, 0}, std::span(payload).first(model::payload_size(p)));
    if (!made) return model::reach(0);
    RL_ASSERT(made->position == p);
    if (rl::rand(8) == 0) {
      to.abandon(p);
      over[p] = returned[p] = true;
      return;
    }
    to.hand_over(p);
  }

  void take_back(std::uint64_t p) {
    if (!to.take_back(p)) {
      if (to.seen_claimed(p)) model::reach(1);
      return;
    }
    over[p] = returned[p] = true;
    model::reach(2);
  }

  void take_answers() {
    for (std::uint64_t p = to.oldest(); p < to.next(); ++p) {
      if (over[p] || model::relacy_atomics::load(answered[p], std::memory_order_acquire) == 0) continue;
      RL_ASSERT(to.finished(p));
      over[p] = true;
    }
  }

  void worker() {
    for (unsigned i = 0; i < worker_steps; ++i) {
      if (const auto call = from.next()) run(*call);
    }
  }

  void run(const receiver::call& call) {
    const std::uint64_t p = call.position;
    RL_ASSERT(p < calls && !begun[p]);
    begun[p] = true;
    if (p >= 2 && returned[p - 2]) model::reach(3);  // it skipped the slot's former call
    RL_ASSERT((call.header == muster::ipc::call_header{p, p + 1, p + 2, 1, 0}));
    RL_ASSERT(call.payload != muster::ipc::carrier::parcel && call.size == model::payload_size(p));
    std::array<std::byte, 3> got{};
    from.read_payload(call, std::span(got).first(call.size));
    for (std::size_t i = 0; i < call.size; ++i) RL_ASSERT(got[i] == model::payload_byte(p, i));
    model::relacy_atomics::store(answered[p], std::uint32_t{1}, std::memory_order_release);
  }

  void after() {
    take_answers();
    for (std::uint64_t p = 0; p < to.next(); ++p) take_back(p);
    for (std::uint64_t p = 0; p < to.next(); ++p) {
      RL_ASSERT(returned[p] != begun[p]);
      RL_ASSERT(over[p]);
    }
    RL_ASSERT(to.in_flight() == 0 && to.oldest() == to.next() && to.ring_bytes_in_use() == 0);
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<claims>("claim", 1'000'000, {bug::weak_store, bug::weak_load, bug::torn_exchange});
}
