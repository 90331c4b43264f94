// SPDX-License-Identifier: MIT
//
// The least that a task for a sleeping worker can cost: two threads, two words, each side sleeps on one and
// wakes the other, after a pause of a millisecond. `floor_wake <percent> <count>` prints how long so many of
// a hundred take at most, in microseconds.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <thread>

#include "common.hpp"

namespace {

using word = std::atomic<std::uint32_t>;

/// Of one process, unlike those of processes/floor.hpp.
void say(word& at, std::uint32_t number) {
  at.store(number, std::memory_order_release);
  syscall(SYS_futex, &at, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}
void await(word& at, std::uint32_t number) {
  for (auto seen = at.load(std::memory_order_acquire); seen != number;
       seen = at.load(std::memory_order_acquire)) {
    syscall(SYS_futex, &at, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  }
}

double wake(std::size_t count, std::size_t percent) {
  alignas(64) word request{0};
  alignas(64) word reply{0};
  std::thread worker([&, count] {
    for (std::uint32_t i = 1; i <= count; ++i) {
      await(request, i);
      say(reply, i);
    }
  });
  std::vector<double> times;
  for (std::uint32_t i = 1; i <= count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begin = bench::clock::now();
    say(request, i);
    await(reply, i);
    times.push_back(bench::seconds_since(begin) * 1e6);
  }
  worker.join();
  std::sort(times.begin(), times.end());
  return times[times.size() * percent / 100];
}

}  // namespace

int main(int argc, char** argv) {
  const bench::job what = bench::read_job(argc, argv);
  std::size_t percent = 100;
  std::from_chars(what.workload.data(), what.workload.data() + what.workload.size(), percent);
  return percent < 100 ? bench::report(wake(what.count, percent)) : bench::not_supported;
}
