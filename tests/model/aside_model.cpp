// SPDX-License-Identifier: MIT
// Model: a worker that runs two calls at once, and an owner that sets the older one aside. Later positions of
// its slot are passed over: the worker skips them, though it may look at their word at any step, and what the
// running call reads of its slot stays as it was.
#include "relacy_atomics.hpp"

#include "ipc/request_ring.hpp"

namespace {

using sizes = model::tiny_sizes<2>;
using sender = muster::ipc::basic_request_sender<model::relacy_atomics, sizes>;
using receiver = muster::ipc::basic_request_receiver<model::relacy_atomics, sizes>;

constexpr std::uint64_t positions = 8;
constexpr unsigned owner_steps = 18;
constexpr unsigned worker_steps = 14;

struct aside : rl::test_suite<aside, 2> {
  static constexpr unsigned places = 3;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies};

  std::array<model::shared_word<std::uint32_t>, positions> answered;
  std::array<bool, positions> handed{}, begun{}, over{}, returned{};
  std::optional<receiver::call> running[2];

  void thread(unsigned index) {
    if (index == 0)
      owner();
    else
      worker();
  }

  void owner() {
    for (unsigned i = 0; i < owner_steps; ++i) {
      switch (rl::rand(5)) {
        case 0:
        case 1: hand_over(); break;
        case 2:
          if (to.set_aside()) model::reach(0);
          break;
        case 3: take_back(to.oldest() + rl::rand(2)); break;
        default: take_answers();
      }
    }
  }

  void hand_over() {
    if (to.next() + 2 >= positions) return;  // up to two may be passed over
    const std::uint64_t next = to.next();
    const auto payload = model::payload_of(next);
    const auto made = to.prepare({next, 1, 2, 1, 0}, std::span(payload).first(model::payload_size(next)));
    if (!made) {
      RL_ASSERT(to.room() == 0);
      return;
    }
    if (made->position != next) model::reach(1);
    handed[made->position] = true;
    to.hand_over(made->position);
  }

  void take_back(std::uint64_t p) {
    if (!to.take_back(p)) return;
    RL_ASSERT(handed[p]);
    over[p] = returned[p] = true;
  }

  void take_answers() {
    for (std::uint64_t p = 0; p < to.next(); ++p) {
      if (!handed[p] || over[p]) continue;
      if (model::relacy_atomics::load(answered[p], std::memory_order_acquire) == 0) continue;
      RL_ASSERT(to.finished(p));
      over[p] = true;
    }
  }

  void worker() {
    for (unsigned i = 0; i < worker_steps; ++i) {
      auto& place = running[rl::rand(2)];
      if (place)
        answer(place);
      else if ((place = from.next()))
        begin(*place);
    }
    for (auto& place : running)
      if (place) answer(place);
  }

  void begin(const receiver::call& call) {
    RL_ASSERT(call.position < positions && !begun[call.position]);
    begun[call.position] = true;
    if (running[0] && running[1] && running[0]->position % 2 == 0) model::reach(2);
  }

  // The owner may have gone round the ring meanwhile.
  void answer(std::optional<receiver::call>& call) {
    const std::uint64_t wrote = call->header.task;
    RL_ASSERT(call->size == model::payload_size(wrote));
    std::array<std::byte, 3> got{};
    from.read_payload(*call, std::span(got).first(call->size));
    for (std::size_t i = 0; i < call->size; ++i) RL_ASSERT(got[i] == model::payload_byte(wrote, i));
    model::relacy_atomics::store(answered[call->position], std::uint32_t{1}, std::memory_order_release);
    call.reset();
  }

  void after() {
    take_answers();
    for (std::uint64_t p = 0; p < to.next(); ++p) take_back(p);
    for (std::uint64_t p = 0; p < to.next(); ++p) {
      RL_ASSERT(begun[p] <= handed[p] && returned[p] == (handed[p] && !begun[p]));
      RL_ASSERT(over[p] == handed[p]);
    }
    RL_ASSERT(to.in_flight() == 0 && to.first() == to.next() && to.gaps() == 0);
    RL_ASSERT(to.ring_bytes_in_use() == 0);
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<aside>("aside", 500'000, {bug::weak_store, bug::weak_load});
}
