// SPDX-License-Identifier: MIT
//
// The workloads of thread pools, written once for all sides. A side is a class with
//     explicit Side(unsigned workers);
//     void post(F);             starts f, with an unlimited queue; never runs it in the calling thread
//     auto submit(F);           the same, and returns something with get()
//     void drain();             returns when everything posted has run; part of the measurement
//     void prepare();           makes the side usable again after drain; not part of the measurement
// and is used by the main thread, but in thread_producers (post by several threads) and thread_inside (post
// by tasks). It may also have
//     void post_with_options(F);                post with a priority, a deadline and a stop token
//     static constexpr bool works_here = true;       the submitting thread works on a long queue, and only it
//                                                    or a task may post
//     static constexpr bool only_main_posts = true;  neither another thread nor a task may post
#pragma once

#include <sys/resource.h>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <thread>

#include "common.hpp"

namespace bench {

inline constexpr unsigned workers = 2;
inline constexpr unsigned producers = 4;

template <class Side>
constexpr bool works_here() {
  if constexpr (requires { Side::works_here; }) return Side::works_here;
  return false;
}
template <class Side>
constexpr bool only_main_posts() {
  if constexpr (requires { Side::only_main_posts; }) return Side::only_main_posts;
  return false;
}

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
  require(works_here<Side>() || here == 0, "tasks ran in the submitting thread");
  side.prepare();
}

/// Nanoseconds a task, from the first post until all have run.
template <class Side, class Post>
double post_all(std::size_t count, unsigned at, Post post) {
  Side side(at);
  warm_up(side, count / 10 + 1);
  const auto begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) post(side);
  side.drain();
  return seconds_since(begin) * 1e9 / static_cast<double>(count);
}
template <class Side>
double post_empty(std::size_t count, unsigned at) {
  return post_all<Side>(count, at, [](Side& side) { side.post([] {}); });
}
template <class Side>
double post_48(std::size_t count) {
  const std::array<std::uint64_t, 6> payload{};
  static_assert(sizeof payload == 48);
  return post_all<Side>(count, workers, [&payload](Side& side) {
    // The compiler may not drop what the closure carries.
    side.post([payload] { asm volatile("" : : "r"(payload.data()) : "memory"); });
  });
}
/// A side without options posts as it can.
template <class Side>
double post_with_options(std::size_t count) {
  return post_all<Side>(count, workers, [](Side& side) {
    if constexpr (requires { side.post_with_options([] {}); }) {
      side.post_with_options([] {});
    } else {
      side.post([] {});
    }
  });
}

/// The same with several submitting threads.
template <class Side>
double post_from_producers(std::size_t count) {
  Side side(workers);
  warm_up(side, count / 10 + 1);
  const std::size_t each = count / producers + 1;
  std::vector<std::thread> threads;
  const auto begin = clock::now();
  for (unsigned i = 0; i < producers; ++i) {
    threads.emplace_back([&side, each] {
      for (std::size_t k = 0; k < each; ++k) side.post([] {});
    });
  }
  for (std::thread& thread : threads) thread.join();
  side.drain();
  return seconds_since(begin) * 1e9 / static_cast<double>(each * producers);
}

/// Counts down; the main thread waits for the end. Owned by the main thread, which outlives all that count.
class countdown {
public:
  explicit countdown(std::size_t from) : left_(from) {}
  /// One more; never after the end, if somebody waits for it.
  void add() { left_.fetch_add(1, std::memory_order_relaxed); }
  void arrive() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_one();
  }
  void wait() const {
    for (std::size_t left = left_; left != 0; left = left_) left_.wait(left);
  }

private:
  std::atomic<std::size_t> left_;
};

/// A task that posts two smaller ones, down to those of size one: 2 * size - 1 tasks in all.
template <class Side>
struct split {
  Side* side;
  countdown* leaves;
  std::size_t size;

  void operator()() const {
    if (size == 1) return leaves->arrive();
    side->post(split{side, leaves, size / 2});
    side->post(split{side, leaves, size - size / 2});
  }
};

/// Nanoseconds a task, where all but the first are posted by tasks.
template <class Side>
double post_inside(std::size_t count) {
  Side side(workers);
  warm_up(side, count / 10 + 1);
  const std::size_t size = count / 2 + 1;
  countdown leaves(size);
  const auto begin = clock::now();
  side.post(split<Side>{&side, &leaves, size});
  leaves.wait();
  const double time = seconds_since(begin);
  side.drain();
  return time * 1e9 / static_cast<double>(2 * size - 1);
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

/// Work that a preempted thread does not get for nothing, which a look at the clock would give it.
inline void work(std::uint64_t steps) {
  std::uint64_t value = steps | 1U;
  for (std::uint64_t i = 0; i < steps; ++i) {
    value *= 6'364'136'223'846'793'005U;
    asm volatile("" : "+r"(value));
  }
}
/// How many steps of work take a microsecond when nothing disturbs them.
inline std::uint64_t steps_a_microsecond() {
  constexpr std::uint64_t steps = 300'000;
  double best = 1;
  for (int i = 0; i < 50; ++i) {
    const auto begin = clock::now();
    work(steps);
    best = std::min(best, seconds_since(begin));
  }
  return static_cast<std::uint64_t>(static_cast<double>(steps) / (best * 1e6)) + 1;
}

/// How much of the time that 1,000 tasks of so many microseconds take is their work, in percent: the median
/// of `count`.
template <class Side>
double part_of_ideal(std::size_t count, unsigned microseconds) {
  constexpr std::size_t tasks = 1'000;
  Side side(workers);
  warm_up(side, tasks);
  const std::uint64_t steps = steps_a_microsecond() * microseconds;
  const double ideal = static_cast<double>(tasks) * microseconds * 1e-6 / workers;
  std::vector<double> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = clock::now();
    for (std::size_t k = 0; k < tasks; ++k) side.post([steps] { work(steps); });
    side.drain();
    parts.push_back(100 * ideal / seconds_since(begin));
    side.prepare();
  }
  return median(std::move(parts));
}

/// Microseconds from submit to its result when all workers have slept for a millisecond: so many of a hundred
/// take no longer.
template <class Side>
double wake(std::size_t count, std::size_t percent) {
  Side side(workers);
  warm_up(side, 1'000);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begin = clock::now();
    side.submit([] { return 1; }).get();
    times.push_back(seconds_since(begin) * 1e6);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() * percent / 100];
}

/// What a pool without work used up in so many milliseconds: `used` says what was used up until now.
template <class Side, class Used>
double idle(std::size_t milliseconds, Used used) {
  Side side(workers);
  warm_up(side, 1'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // what it does before it rests does not count
  const double before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return used() - before;
}
/// Milliseconds of CPU time.
inline double cpu_time() {
  timespec time{};
  require(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, "the CPU time cannot be read");
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}
/// How often threads other than this one went to sleep, and so had been awake.
inline double wakes() {
  rusage all{};
  rusage here{};
  require(getrusage(RUSAGE_SELF, &all) == 0 && getrusage(RUSAGE_THREAD, &here) == 0,
          "the usage cannot be read");
  return static_cast<double>(all.ru_nvcsw - here.ru_nvcsw);
}

/// Bytes of memory for each waiting task with 48 bytes captured, while the workers are blocked.
template <class Side>
double memory(std::size_t count) {
  Side side(workers);
  countdown started(workers);
  countdown go(1);
  for (unsigned i = 0; i < workers; ++i) {
    side.post([&started, &go] {
      started.arrive();
      go.wait();
    });
  }
  started.wait();
  const std::array<std::uint64_t, 6> payload{};
  const double before = resident_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    side.post([payload] { asm volatile("" : : "r"(payload.data()) : "memory"); });
  }
  const double after = resident_bytes();
  go.arrive();
  side.drain();
  return (after - before) / static_cast<double>(count);
}

/// The number at the end of "thread_post_by_16"; 0 when it is another workload.
inline unsigned workers_asked_for(std::string_view workload) {
  constexpr std::string_view prefix = "thread_post_by_";
  unsigned number = 0;
  if (workload.starts_with(prefix)) {
    std::from_chars(workload.data() + prefix.size(), workload.data() + workload.size(), number);
  }
  return number;
}

template <class Side>
int run_threads(int argc, char** argv) {
  const job what = read_job(argc, argv);
  if (what.workload == "thread_post") return report(post_empty<Side>(what.count, workers));
  if (what.workload == "thread_post_48") return report(post_48<Side>(what.count));
  if (what.workload == "thread_options") return report(post_with_options<Side>(what.count));
  if (what.workload == "thread_submit") return report(submit_all<Side>(what.count));
  if (what.workload == "thread_1us") return report(part_of_ideal<Side>(what.count, 1));
  if (what.workload == "thread_10us") return report(part_of_ideal<Side>(what.count, 10));
  if (what.workload == "thread_wake") return report(wake<Side>(what.count, 50));
  if (what.workload == "thread_wake_p99") return report(wake<Side>(what.count, 99));
  if (what.workload == "thread_idle") return report(idle<Side>(what.count, cpu_time));
  if (what.workload == "thread_idle_wakes") return report(idle<Side>(what.count, wakes));
  if constexpr (!only_main_posts<Side>()) {
    if (what.workload == "thread_inside") return report(post_inside<Side>(what.count));
  }
  if constexpr (!works_here<Side>() && !only_main_posts<Side>()) {
    if (what.workload == "thread_producers") return report(post_from_producers<Side>(what.count));
  }
  if constexpr (!works_here<Side>()) {
    if (what.workload == "thread_memory") return report(memory<Side>(what.count));
  }
  if (const unsigned at = workers_asked_for(what.workload); at != 0)
    return report(post_empty<Side>(what.count, at));
  return not_supported;
}

}  // namespace bench
