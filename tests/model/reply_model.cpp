// SPDX-License-Identifier: MIT
// Model: the reply ring. The owner sees what the worker wrote, in order, and the worker uses a slot or a
// piece of the byte ring again only after the owner has copied it; a worker that finds the ring full waits
// and goes on.
#include "relacy_atomics.hpp"

#include "ipc/reply_ring.hpp"

namespace {

using sizes = model::tiny_sizes<2>;
using sender = muster::ipc::basic_reply_sender<model::relacy_atomics, sizes>;
using receiver = muster::ipc::basic_reply_receiver<model::relacy_atomics, sizes>;

constexpr std::uint64_t count = 5;

struct replies_in_order : rl::test_suite<replies_in_order, 2> {
  static constexpr unsigned places = 2;

  sender::request_region requests;
  sender::reply_region replies;
  sender to{requests, replies};
  receiver from{requests, replies, {.max_status = 9, .max_parcel = 100}};

  void thread(unsigned index) {
    if (index == 0)
      owner();
    else
      worker();
  }

  void worker() {
    for (std::uint64_t r = 0; r < count; ++r) {
      const auto payload = model::payload_of(r);
      const auto bytes = std::span(payload).first(model::payload_size(r));
      auto by = to.prepare(r + 40, static_cast<std::uint32_t>(r), bytes);
      while (!by) {
        model::reach(to.wait_for_room(std::chrono::microseconds(120)) ? 0 : 1);
        by = to.prepare(r + 40, static_cast<std::uint32_t>(r), bytes);
      }
      RL_ASSERT(*by == (bytes.size() > sizes::reply_inline ? muster::ipc::carrier::ring
                                                           : muster::ipc::carrier::slot));
      to.publish();
    }
  }

  void owner() {
    std::uint64_t seen = 0;
    rl::backoff pause;
    while (seen < count) {
      std::array<std::byte, 3> got{};
      const auto taken =
          from.take([&](const muster::ipc::reply& r) { return std::optional(std::span(got).first(r.size)); });
      RL_ASSERT(!std::holds_alternative<muster::ipc::violation>(taken));
      if (const auto* r = std::get_if<muster::ipc::reply>(&taken)) {
        RL_ASSERT(r->position == seen + 40 && r->status == seen && r->size == model::payload_size(seen));
        for (std::size_t i = 0; i < r->size; ++i) RL_ASSERT(got[i] == model::payload_byte(seen, i));
        ++seen;
      } else {
        pause.yield(RL_INFO);
      }
    }
  }
};

}  // namespace

int main() {
  using model::bug;
  return model::check<replies_in_order>("replies", 1'000'000, {bug::weak_store, bug::weak_load});
}
