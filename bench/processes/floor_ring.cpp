// SPDX-License-Identifier: MIT
//
// The least that a call over shared-memory rings can cost: int to int, one worker process, a ring of requests
// and one of replies, and a bell for each side to sleep on, rung only for a sleeper. No futures, no queue, no
// supervision, no distrust. `floor_ring one_at_a_time <count>` prints the median round trip in microseconds,
// `floor_ring 256_in_flight <count>` calls per second.
#include <array>

#include "processes/floor.hpp"

namespace {

constexpr std::size_t slots = 1'024;
constexpr std::size_t in_flight = 256;

struct bell {
  alignas(64) bench::word rung{0};  // bumped by whoever rings
  alignas(64) bench::word asleep{
      0};  // 1 by the sleeper before its last look, 0 by whoever wakes it or by itself
};

struct ring {
  alignas(64) std::atomic<std::uint64_t> written{
      0};  // by the writing side, release; acquired by the reading side
  alignas(64) std::array<std::int64_t, slots> values{};
};

struct shared_memory {
  ring requests;
  ring replies;
  bell for_worker;
  bell for_owner;
};

void ring_it(bell& at) {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the one in sleep_until_ready
  if (at.asleep.load(std::memory_order_relaxed) == 0) return;
  at.asleep.store(0, std::memory_order_relaxed);
  at.rung.fetch_add(1, std::memory_order_release);
  bench::futex_wake(at.rung);
}

/// Never spins. Either its second look finds what the other side wrote, or the other side sees that it
/// sleeps.
template <class Ready>
void sleep_until_ready(bell& at, Ready ready) {
  while (!ready()) {
    const std::uint32_t seen = at.rung.load(std::memory_order_acquire);
    at.asleep.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!ready()) bench::futex_wait(at.rung, seen);
    at.asleep.store(0, std::memory_order_relaxed);
  }
}

[[noreturn]] void answer_calls(shared_memory& memory) {
  for (std::uint64_t done = 0;;) {
    std::uint64_t there = 0;
    sleep_until_ready(memory.for_worker, [&] {
      there = memory.requests.written.load(std::memory_order_acquire);
      return there != done;
    });
    for (; done < there; ++done)
      memory.replies.values[done % slots] = memory.requests.values[done % slots] + 1;
    memory.replies.written.store(done, std::memory_order_release);
    ring_it(memory.for_owner);
  }
}

/// The owner's side: its cursors, which the worker does not see.
class caller {
public:
  explicit caller(shared_memory& memory) : memory_(memory) {}

  /// Answers all calls from now on until `count`, with at most `window` of them under way.
  void run(std::uint64_t count, std::uint64_t window) {
    const std::uint64_t end = sent_ + count;
    while (received_ < end) {
      for (; sent_ < end && sent_ - received_ < window; ++sent_) {
        memory_.requests.values[sent_ % slots] = static_cast<std::int64_t>(sent_);
      }
      memory_.requests.written.store(sent_, std::memory_order_release);
      ring_it(memory_.for_worker);
      receive();
    }
  }

private:
  void receive() {
    std::uint64_t there = 0;
    sleep_until_ready(memory_.for_owner, [&] {
      there = memory_.replies.written.load(std::memory_order_acquire);
      return there != received_;
    });
    for (; received_ < there; ++received_) {
      const std::int64_t value = memory_.replies.values[received_ % slots];
      bench::require(value == static_cast<std::int64_t>(received_) + 1, "a result is wrong");
    }
  }

  shared_memory& memory_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::job what = bench::read_job(argc, argv);
  const bool alone = what.workload == "one_at_a_time";
  if (!alone && what.workload != "256_in_flight") return bench::not_supported;
  auto& memory = bench::make_shared_memory<shared_memory>();
  const bench::other_process worker([&memory] { answer_calls(memory); });
  caller owner(memory);
  if (alone) return bench::report(bench::median_microseconds(what.count, [&owner] { owner.run(1, 1); }));
  owner.run(what.count / 10 + 1, in_flight);
  const auto begin = bench::clock::now();
  owner.run(what.count, in_flight);
  return bench::report(static_cast<double>(what.count) / bench::seconds_since(begin));
}
