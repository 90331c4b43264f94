// SPDX-License-Identifier: MIT
// Model: either side stops for good at any step. When it is the worker, the owner then decides each call
// once: answered, moved to another worker, or begun; and nothing that was moved had been begun. When it is
// the owner, the worker still reads only whole calls, stays inside the memory, and does not wait for ever.
#include "relacy_atomics.hpp"

#include "ipc/reply_ring.hpp"
#include "ipc/request_ring.hpp"

namespace {

using sizes = model::tiny_sizes<2>;
using policy = model::relacy_atomics;
using request_sender = muster::ipc::basic_request_sender<policy, sizes>;
using request_receiver = muster::ipc::basic_request_receiver<policy, sizes>;
using reply_sender = muster::ipc::basic_reply_sender<policy, sizes>;
using reply_receiver = muster::ipc::basic_reply_receiver<policy, sizes>;

constexpr std::uint64_t calls = 4;

enum class verdict { none, answered, moved, begun };

struct pair_of_rings {
  request_sender::request_region requests;
  request_sender::reply_region replies;
  request_sender calls_out{requests, replies};
  request_receiver calls_in{requests, replies};
  reply_sender replies_out{requests, replies};
  reply_receiver replies_in{requests, replies, {.max_status = 0, .max_parcel = 0}};
  model::shared_word<std::uint32_t> worker_is_dead;

  std::array<bool, calls> ran{};      // the worker's effects on the world
  std::array<bool, calls> replied{};  // the worker had published
  std::array<verdict, calls> verdicts{};

  void decide(std::uint64_t p, verdict v) {
    RL_ASSERT(p < calls && verdicts[p] == verdict::none);
    verdicts[p] = v;
  }

  void work(unsigned steps) {
    for (unsigned i = 0; i < steps; ++i) {
      const auto call = calls_in.next();
      if (!call) continue;
      const std::uint64_t p = call->position;
      RL_ASSERT(p < calls && !ran[p]);
      ran[p] = true;
      RL_ASSERT(call->header.task == p && call->size == model::payload_size(p));
      std::array<std::byte, 3> got{};
      calls_in.read_payload(*call, std::span(got).first(call->size));
      for (std::size_t k = 0; k < call->size; ++k) RL_ASSERT(got[k] == model::payload_byte(p, k));
      const auto by = replies_out.prepare(p, 0, std::span(got).first(call->size));
      if (!by && !replies_out.wait_for_room(std::chrono::microseconds(120))) return;
      if (!by && !replies_out.prepare(p, 0, std::span(got).first(call->size))) return;
      replied[p] = true;
      replies_out.publish();
    }
  }

  void take_replies() {
    for (;;) {
      std::array<std::byte, 3> got{};
      const auto taken =
          replies_in.take([&](const muster::ipc::reply& r) -> std::optional<std::span<std::byte>> {
            if (!calls_out.awaits_reply(r.position)) return std::nullopt;
            return std::span(got).first(r.size);
          });
      RL_ASSERT(!std::holds_alternative<muster::ipc::violation>(taken));
      const auto* r = std::get_if<muster::ipc::reply>(&taken);
      if (r == nullptr) return;
      RL_ASSERT(ran[r->position] && replied[r->position] && r->size == model::payload_size(r->position));
      for (std::size_t k = 0; k < r->size; ++k) RL_ASSERT(got[k] == model::payload_byte(r->position, k));
      RL_ASSERT(calls_out.finished(r->position));
      decide(r->position, verdict::answered);
    }
  }

  void place(unsigned steps) {
    for (unsigned i = 0; i < steps; ++i) {
      const unsigned choice = rl::rand(4);
      if (choice < 2 && calls_out.next() < calls) {
        const std::uint64_t p = calls_out.next();
        const auto payload = model::payload_of(p);
        if (calls_out.prepare({p, 0, 0, 1, 0}, std::span(payload).first(model::payload_size(p)))) {
          calls_out.hand_over(p);
          if (calls_out.ring()) calls_out.wake();
        }
      } else if (choice == 2) {
        const std::uint64_t p = calls_out.oldest();
        if (calls_out.take_back(p)) decide(p, verdict::moved);
      } else {
        take_replies();
      }
    }
  }
};

struct worker_stops : rl::test_suite<worker_stops, 2> {
  static constexpr unsigned places = 5;

  pair_of_rings rings;

  void before() {
    model::stopping_thread = 1;
    model::steps_left = rl::rand(70);
  }

  void thread(unsigned index) {
    if (index == 0) {
      rings.place(10);
      rl::backoff pause;
      while (policy::load(rings.worker_is_dead, std::memory_order_acquire) == 0) pause.yield(RL_INFO);
      bury();
      return;
    }
    try {
      rings.work(6);
    } catch (const model::stopped_for_good&) {}
    // A death is seen through a pidfd, and the kernel orders it behind everything the worker wrote.
    rings.worker_is_dead.store(1, rl::mo_release, RL_INFO);
  }

  void bury() {
    auto& out = rings.calls_out;
    if (model::seeded != model::bug::own) rings.take_replies();
    for (std::uint64_t p = out.oldest(); p < out.next(); ++p) {
      if (rings.verdicts[p] != verdict::none) continue;
      // The seeded bug takes "not answered" for "not begun".
      const bool back = out.take_back(p) || model::seeded == model::bug::own;
      rings.decide(p, back ? verdict::moved : verdict::begun);
    }
    for (std::uint64_t p = 0; p < out.next(); ++p) {
      RL_ASSERT(rings.verdicts[p] != verdict::none);
      if (rings.verdicts[p] == verdict::moved) RL_ASSERT(!rings.ran[p]);
      if (rings.verdicts[p] == verdict::answered) RL_ASSERT(rings.ran[p]);
      model::reach(static_cast<unsigned>(rings.verdicts[p]) - 1);
      if (rings.verdicts[p] == verdict::begun) model::reach(rings.ran[p] ? 3 : 4);
    }
  }

  void after() { model::stopping_thread = -1; }
};

struct owner_stops : rl::test_suite<owner_stops, 2> {
  static constexpr unsigned places = 2;

  pair_of_rings rings;

  void before() {
    model::stopping_thread = 0;
    model::steps_left = rl::rand(90);
  }

  void thread(unsigned index) {
    if (index == 1) {
      rings.work(6);
      return;
    }
    try {
      rings.place(10);
    } catch (const model::stopped_for_good&) {
      model::reach(0);
    }
  }

  void after() {
    model::stopping_thread = -1;
    for (std::uint64_t p = 0; p < calls; ++p) {
      if (rings.verdicts[p] == verdict::moved) RL_ASSERT(!rings.ran[p]);
      if (rings.ran[p] && rings.verdicts[p] == verdict::none) model::reach(1);
    }
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<worker_stops>("worker stops", 500'000,
                                    {bug::own, bug::torn_exchange, bug::weak_store, bug::weak_load}) +
         model::check<owner_stops>("owner stops", 500'000, {bug::weak_store, bug::torn_exchange});
}
