// SPDX-License-Identifier: MIT
//
// The workloads of thread pools, written once for all sides. A side is a class with
//     explicit Side(unsigned workers);
//     void post(F);             starts f, with an unlimited queue; never runs it in the calling thread
//     auto submit(F);           the same, and returns something with get()
//     void drain();             returns when everything posted has run; part of the measurement
//     void prepare();           makes the side usable again after drain; not part of the measurement
// and is used by the main thread alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "common.hpp"

namespace bench {

inline constexpr unsigned workers = 2;

/// Runs some tasks first: workers are up, memory is there, and none of them ran in the submitting thread.
template <class Side>
void warm_up(Side& side, std::size_t count) {
  std::atomic<std::size_t> ran{0};  // relaxed: drain orders it before the look below
  std::atomic<std::size_t> here{0};
  const auto submitter = std::this_thread::get_id();
  for (std::size_t i = 0; i < count; ++i) {
    side.post([&ran, &here, submitter] {
      ran.fetch_add(1, std::memory_order_relaxed);
      if (std::this_thread::get_id() == submitter) here.fetch_add(1, std::memory_order_relaxed);
    });
  }
  side.drain();
  require(ran == count, "tasks were lost");
  require(here == 0, "tasks ran in the submitting thread");
  side.prepare();
}

/// Nanoseconds a task, from the first post until all have run.
template <class Side, class Task>
double post_all(std::size_t count, Task task) {
  Side side(workers);
  warm_up(side, count / 10 + 1);
  const auto begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) side.post(task);
  side.drain();
  return seconds_since(begin) * 1e9 / static_cast<double>(count);
}

/// Nanoseconds a task: all are submitted, then all results are taken.
template <class Side>
double submit_all(std::size_t count) {
  Side side(workers);
  warm_up(side, count / 10 + 1);
  auto answer = [] { return 1; };
  std::vector<decltype(side.submit(answer))> results;
  results.reserve(count);
  const auto begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) results.push_back(side.submit(answer));
  std::size_t sum = 0;
  for (auto& result : results) sum += static_cast<std::size_t>(result.get());
  const double time = seconds_since(begin);
  require(sum == count, "results are wrong");
  return time * 1e9 / static_cast<double>(count);
}

/// Microseconds from submit to its result when all workers have slept for a millisecond: the median.
template <class Side>
double wake(std::size_t count) {
  Side side(workers);
  warm_up(side, 1'000);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begin = clock::now();
    side.submit([] { return 1; }).get();
    times.push_back(seconds_since(begin) * 1e6);
  }
  return median(std::move(times));
}

template <class Side>
int run_threads(int argc, char** argv) {
  const job what = read_job(argc, argv);
  if (what.workload == "thread_post") return report(post_all<Side>(what.count, [] {}));
  if (what.workload == "thread_post_48") {
    std::array<std::uint64_t, 6> payload{};
    static_assert(sizeof payload == 48);
    return report(post_all<Side>(what.count, [payload] {
      // The compiler may not drop what the closure carries.
      asm volatile("" : : "r"(payload.data()) : "memory");
    }));
  }
  if (what.workload == "thread_submit") return report(submit_all<Side>(what.count));
  if (what.workload == "thread_wake") return report(wake<Side>(what.count));
  return not_supported;
}

}  // namespace bench
