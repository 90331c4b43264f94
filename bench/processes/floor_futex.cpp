// SPDX-License-Identifier: MIT
//
// The least that a call to another process can cost when neither side spins: two words, each side sleeps on
// one and wakes the other. `floor_futex same|cross <count>` places both processes on one CPU or on two;
// prints the median round trip in microseconds.
#include "processes/floor.hpp"

namespace {

struct words {
  alignas(64) bench::word request{0};  // written by the caller with release; the answering side acquires
  alignas(64) bench::word reply{0};    // the other way round
};

void say(bench::word& at, std::uint32_t number) {
  at.store(number, std::memory_order_release);
  bench::futex_wake(at);
}

void await(bench::word& at, std::uint32_t number) {
  for (std::uint32_t seen = 0; (seen = at.load(std::memory_order_acquire)) != number;)
    bench::futex_wait(at, seen);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::job what = bench::read_job(argc, argv);
  if (what.workload != "same" && what.workload != "cross") return bench::not_supported;
  const int here = bench::usable_cpu(0);
  const int there = what.workload == "same" ? here : bench::usable_cpu(1);
  if (there < 0) return bench::not_supported;

  auto& shared = bench::make_shared_memory<words>();
  const bench::other_process answering([&shared, there] {
    bench::stay_on(there);
    for (std::uint32_t number = 1;; ++number) {
      await(shared.request, number);
      say(shared.reply, number);
    }
  });
  bench::stay_on(here);
  std::uint32_t number = 0;
  return bench::report(bench::median_microseconds(what.count, [&shared, &number] {
    say(shared.request, ++number);
    await(shared.reply, number);
  }));
}
