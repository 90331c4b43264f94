// SPDX-License-Identifier: MIT
// What a pool uses of the machine, and what it does when that is more than it may: processors of its workers,
// memory of its owner.
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "base/process_info.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

using std::chrono::nanoseconds;

nanoseconds own_processor_time() {
  timespec used = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + nanoseconds(used.tv_nsec);
}

// Works until it has used so much processor time, however long that takes. Gives what it used, in
// microseconds.
long spin(long microseconds) {
  const auto begin = own_processor_time();
  auto used = nanoseconds(0);
  while (used < std::chrono::microseconds(microseconds)) used = own_processor_time() - begin;
  return used / 1us;
}

// The part of one processor that these tasks used, from the first that was submitted to the last answer.
double use_of(process_pool& pool, int tasks, long microseconds) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<future<long>> calls;
  for (int i = 0; i < tasks; ++i) calls.push_back(pool.submit(spin, microseconds));
  long used = 0;
  for (auto& call : calls) used += call.get();
  const auto took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin);
  return static_cast<double>(used) / took.count();
}

// The upper bound holds on any machine: the limit, and what may be overdrawn once. The lower one is a part of
// what this machine gives to two workers that nobody holds back, since others may use it as well.
TEST(throttle_of_processes, short_tasks_use_about_as_much_as_they_may) {
  process_pool free(2);
  free.start();
  const double at_most = use_of(free, 200, 5'000);
  process_pool pool({.workers = {2}, .throttle = {.percent = 80, .check_every = 20ms}});
  pool.start();
  const double use = use_of(pool, 500, 5'000);
  std::printf("used %.3f of one processor; not held back, %.3f\n", use, at_most);
  EXPECT_GT(use, 0.4 * std::min(0.8, at_most));
  EXPECT_LT(use, 0.9);
  const stats s = pool.stats();
  EXPECT_GT(s.cpu_time, 2s) << "500 tasks of 5 ms took 2.5 s, and were looked at while they ran";
  expect_all_settled(pool, 500, 0, 0);
}

TEST(throttle_of_processes, counts_what_workers_start_and_what_dead_ones_have_used) {
  process_pool pool(
      {.workers = {2}, .lifetime = lifetime::per_task, .throttle = {.percent = 50, .check_every = 20ms}});
  pool.start();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<future<long>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(pool.submit([]() -> long {
      const int child = ::fork();
      if (child == 0) ::_exit(spin(50'000) > 0 ? 0 : 1);
      int status = 1;
      return ::waitpid(child, &status, 0) == child && status == 0 ? 50'000 : 0;
    }));
  }
  long used = 0;
  for (auto& call : calls) used += call.get();
  EXPECT_EQ(used, 20 * 50'000);
  const auto took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin);
  // Two tasks of 50 ms run at once, and are overdrawn when they are seen.
  EXPECT_LT(static_cast<double>(used) / took.count(), 0.65);
}

TEST(throttle_of_processes, says_that_it_holds_tasks_back_and_lets_them_go) {
  process_pool pool({.workers = {1}, .throttle = {.percent = 20, .check_every = 10ms}});
  (void)pool.submit(spin, 100'000L).get();
  auto held = pool.submit(echo, 7);
  EXPECT_TRUE(eventually([&] { return pool.stats().throttled; }));
  EXPECT_EQ(pool.stats().queued, 1U);
  EXPECT_EQ(held.get(), 7);
}

int niceness() { return ::getpriority(PRIO_PROCESS, 0); }

TEST(a_limit, of_niceness_is_added_to_the_owners) {
  process_pool pool({.workers = {1}, .limits = {.nice = 5}});
  EXPECT_EQ(pool.submit(niceness).get(), std::min(19, niceness() + 5));
}

// ---------------------------------------------------------------------------------------------------------
// the owner's memory

// Private memory of this process, while it lives; given back for certain, which the heap does not promise.
class ballast {
public:
  explicit ballast(std::size_t bytes) : bytes_(bytes) {
    start_ = static_cast<char*>(
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t at = 0; at < bytes; at += 4'096) start_[at] = 1;
  }
  ~ballast() { ::munmap(start_, bytes_); }
  ballast(const ballast&) = delete;

private:
  std::size_t bytes_;
  char* start_;
};

std::size_t a_little_more_than_now() { return *base::private_memory(::getpid(), 0) + 64_MiB; }

TEST(owner_memory, above_its_limit_is_told_once_calls_the_hook_and_refuses_tasks_until_it_is_below) {
  std::atomic<int> hooked = 0, told = 0;
  std::atomic<std::size_t> bytes = 0;
  const std::size_t limit = a_little_more_than_now();
  process_pool pool({.workers = {1},
                     .owner_memory = {.limit = limit, .check_every = 5ms, .reject = true, .on_pressure = [&] {
                                        ++hooked;
                                      }}});
  pool.on(event_kind::memory_pressure, [&](const event& e) {
    bytes = e.bytes;
    ++told;
  });
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  for (int crossing = 1; crossing <= 2; ++crossing) {
    {
      const ballast heavy(128_MiB);
      EXPECT_TRUE(eventually(
          [&] { return code_of([&] { (void)pool.submit(echo, 2).get(); }) == error_code::memory_pressure; }));
      EXPECT_TRUE(eventually([&] { return told == crossing && hooked == crossing; }));
      EXPECT_GT(bytes, limit);
      // For some looks more, each of which would tell again.
      const auto end = std::chrono::steady_clock::now() + 50ms;
      while (std::chrono::steady_clock::now() < end)
        EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 3); }), error_code::memory_pressure);
    }
    EXPECT_TRUE(eventually([&] { return !code_of([&] { (void)pool.submit(echo, 4).get(); }); }));
    EXPECT_EQ(told, crossing);
    EXPECT_EQ(hooked, crossing);
  }
  const ballast heavy(128_MiB);
  EXPECT_TRUE(eventually(
      [&] { return code_of([&] { (void)pool.submit(echo, 5); }) == error_code::memory_pressure; }));
  pool.stop();
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 6); }), error_code::pool_stopped) << "that comes first";
  EXPECT_GT(pool.stats().rejected, 0U);
}

TEST(owner_memory, above_its_limit_brings_the_workers_down_to_min) {
  process_pool pool(
      {.workers = {.min = 1, .max = 3, .idle_timeout = 1h},
       .owner_memory = {.limit = a_little_more_than_now(), .check_every = 5ms, .shrink = true}});
  { const blocker all(pool, 3); }
  EXPECT_EQ(ready_workers(pool), 3U);
  const ballast heavy(128_MiB);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 1; }));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1) << "and takes tasks";
}

TEST(owner_memory, a_hook_that_throws_harms_nobody) {
  process_pool pool({.workers = {1}, .owner_memory = {.limit = 16_MiB, .check_every = 5ms, .on_pressure = [] {
                                                        throw std::runtime_error("as the test says");
                                                      }}});
  std::atomic<bool> told = false;
  pool.on(event_kind::memory_pressure, [&](const event&) { told = true; });
  const ballast heavy(64_MiB);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(owner_memory, and_throttle_out_of_range_are_refused_with_every_option_named) {
  try {
    process_pool pool({.limits = {.nice = 20},
                       .throttle = {.percent = 0, .check_every = 0s},
                       .owner_memory = {.limit = 1, .check_every = 0s}});
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part : {"limits.nice = 20", "throttle.percent = 0", "throttle.check_every",
                             "owner_memory.limit = 1", "owner_memory.check_every"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  EXPECT_THROW(process_pool({.throttle = {.percent = 1e6}}), invalid_options);
  EXPECT_THROW(process_pool({.owner_memory = {.reject = true}}), invalid_options);
}

}  // namespace
}  // namespace muster::test
