// SPDX-License-Identifier: MIT
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <muster/muster.hpp>

#include "processes/calls.hpp"

namespace {

using namespace std::chrono_literals;
using namespace muster::literals;
using bench::clock;
using bench::require;

// ---- what the workers run ----

int increment(int value) { return value + 1; }
int own_pid() { return static_cast<int>(getpid()); }
// Read where it arrives, as a std::string_view would be.
int size_of(std::span<const char> payload) { return static_cast<int>(payload.size()); }
void sleep_for_milliseconds(int time) { std::this_thread::sleep_for(std::chrono::milliseconds(time)); }

// ---- what the owner does ----

muster::process_options plain(int workers) {
  return {.workers = {workers}, .queue = {.capacity = std::nullopt}};
}

void warm_up(muster::process_pool& pool) {
  bench::warm_up([&](int i) { return pool.submit(increment, i); });
}

/// Returns when the pool has handed a task to a worker, and a little later, so that the worker has begun it.
void wait_until_running(const muster::process_pool& pool, std::size_t tasks) {
  const auto begin = clock::now();
  while (pool.stats().running < tasks) {
    require(bench::seconds_since(begin) < 20, "the tasks do not start");
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(20ms);
}

double calls(std::size_t count) {
  muster::process_pool pool(plain(2));
  return bench::calls_a_second(count, [&](int i) { return pool.submit(increment, i); });
}

template <class Map>
double map(std::size_t count, Map start) {
  muster::process_pool pool(plain(2));
  warm_up(pool);
  std::vector<int> inputs(count);
  std::iota(inputs.begin(), inputs.end(), 0);
  std::int64_t sum = 0;
  const auto begin = clock::now();
  for (const int result : start(pool, inputs)) sum += result;
  const double time = bench::seconds_since(begin);
  const auto n = static_cast<std::int64_t>(count);
  require(sum == n * (n + 1) / 2, "the results are wrong");
  return static_cast<double>(count) / time;
}

double latency(std::size_t count, muster::duration spin = {}) {
  muster::process_options options = plain(2);
  options.spin = spin;
  muster::process_pool pool(options);
  warm_up(pool);
  return bench::median_microseconds(count, [&pool] { pool.submit(increment, 1).get(); });
}

/// How far apart the workers are that a burst of calls on an idle pool falls to: 0 when both get as many, 100
/// when one gets all.
double burst(std::size_t count) {
  muster::process_pool pool(plain(2));
  warm_up(pool);
  std::vector<muster::future<int>> results;
  for (std::size_t i = 0; i < count; ++i) results.push_back(pool.submit(own_pid));
  std::map<int, std::size_t> calls;
  for (auto& result : results) ++calls[result.get()];
  const std::size_t most = std::max_element(calls.begin(), calls.end(), [](const auto& a, const auto& b) {
                             return a.second < b.second;
                           })->second;
  return 100 * (2 * static_cast<double>(most) / static_cast<double>(count) - 1);
}

/// Megabytes a second, copied into the call, with two calls under way.
double payloads(std::size_t size, std::size_t count) {
  muster::process_pool pool(plain(2));
  warm_up(pool);
  const std::vector<char> payload(size, 'm');
  return bench::megabytes_a_second(size, count, [&] { return pool.submit(size_of, payload); });
}

/// Adds to the first number and gives the memory back.
muster::buffer increment_first(muster::buffer memory) {
  ++memory.as<int>()[0];
  return memory;
}

/// One call at a time with a lease of so many bytes: the worker changes it in place, and it is read in place.
/// Both sides have touched all of it before, as in a pool that has run for a while.
double lease(std::size_t size, std::size_t count) {
  muster::process_options options = plain(2);
  options.arena.bytes = 2 * size;
  muster::process_pool pool(options);
  warm_up(pool);
  muster::buffer memory = pool.lease(size);
  std::fill(memory.as<int>().begin(), memory.as<int>().end(), 0);
  int calls = 0;
  const auto call = [&] {
    memory = pool.submit(increment_first, std::move(memory)).get();
    require(memory.as<int>()[0] == ++calls, "a result is wrong");
  };
  for (int i = 0; i < 300; ++i) call();
  return bench::median_microseconds(count, call);
}

/// KiB of memory that a worker without work has in use.
double worker_memory() {
  muster::process_pool pool(plain(1));
  warm_up(pool);
  return bench::resident_bytes(std::to_string(pool.submit(own_pid).get())) / 1024;
}

double start() {
  const auto begin = clock::now();
  muster::process_pool pool(plain(2));
  require(pool.submit(increment, 1).get() == 2, "the result is wrong");
  return bench::seconds_since(begin) * 1e3;
}

/// One more worker in an owner that holds so many bytes, all of them written to; the median of twenty.
double one_more(std::size_t held) {
  muster::process_pool first(plain(1));
  warm_up(first);
  const std::vector<char> memory(held, 'm');
  const double time = bench::median_microseconds(20, [] {
    muster::process_pool pool(plain(1));
    pool.start();
  });
  require(memory.empty() || memory.back() == 'm', "the memory is not there");
  return time / 1e3;
}

/// One more worker of a pool that has some: from the wish until we hear that it is ready. The median of
/// twenty.
double grow() {
  constexpr int most = 22;
  std::binary_semaphore is_ready(0);
  muster::process_pool pool({.workers = {.min = 1, .max = most},
                             .callbacks = [](const std::function<void()>& handler) { handler(); }});
  warm_up(pool);
  const auto heard =
      pool.on(muster::event_kind::worker_ready, [&](const muster::event&) { is_ready.release(); });
  std::vector<double> times;
  for (int wanted = 2; wanted <= most; ++wanted) {
    const auto begin = clock::now();
    pool.resize(wanted, most);
    is_ready.acquire();
    times.push_back(bench::seconds_since(begin) * 1e3);
  }
  pool.off(heard);
  return bench::median(std::move(times));
}

/// One worker, so that the next task can only run on its replacement.
double crash() {
  muster::process_pool pool(plain(1));
  warm_up(pool);
  const int victim = pool.submit(own_pid).get();
  auto lost = pool.submit(sleep_for_milliseconds, 30'000);
  wait_until_running(pool, 1);
  const auto begin = clock::now();
  require(kill(victim, SIGKILL) == 0, "the worker cannot be killed");
  const int replacement = pool.submit(own_pid).get();
  const double time = bench::seconds_since(begin);
  require(replacement != victim, "the worker did not die");
  try {
    lost.get();
    require(false, "a killed task has a result");
  } catch (const muster::unexpected_exit&) {  // as it should be
  }
  return time * 1e3;
}

double hung() {
  constexpr auto limit = 50ms;
  muster::process_options options = plain(1);
  options.grace = 0ns;
  muster::process_pool pool(options);
  warm_up(pool);
  const int victim = pool.submit(own_pid).get();
  pollfd gone{.fd = static_cast<int>(syscall(SYS_pidfd_open, victim, 0)), .events = POLLIN, .revents = 0};
  require(gone.fd >= 0, "the worker cannot be watched");
  const auto begin = clock::now();
  auto late = pool.submit({.run_timeout = limit}, sleep_for_milliseconds, 30'000);
  require(poll(&gone, 1, 20'000) == 1, "the worker is still there");
  const double time = bench::seconds_since(begin) * 1e3;
  close(gone.fd);
  try {
    late.get();
    require(false, "a hung task has a result");
  } catch (const muster::task_timeout&) {  // as it should be
  }
  return time - std::chrono::duration<double, std::milli>(limit).count();
}

/// Bytes that each waiting call costs the owner, its future included.
double memory(std::size_t count) {
  muster::process_pool pool(plain(2));
  warm_up(pool);
  std::vector<muster::future<void>> blockers;
  for (int i = 0; i < 2; ++i) blockers.push_back(pool.submit(sleep_for_milliseconds, 30'000));
  wait_until_running(pool, 2);
  std::vector<muster::future<int>> results;
  const double before = bench::resident_bytes();
  results.reserve(count);
  for (std::size_t i = 0; i < count; ++i) results.push_back(pool.submit(increment, static_cast<int>(i)));
  const double after = bench::resident_bytes();
  pool.terminate();
  return (after - before) / static_cast<double>(count);
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  const bench::job what = bench::read_job(argc, argv);
  if (what.workload == "process_calls") return bench::report(calls(what.count));
  if (what.workload == "process_map")
    return bench::report(map(what.count, [](muster::process_pool& pool, const std::vector<int>& inputs) {
      return pool.map({.per_task = 1'000}, increment, inputs);
    }));
  if (what.workload == "process_map_singly")
    return bench::report(map(what.count, [](muster::process_pool& pool, const std::vector<int>& inputs) {
      return pool.map(increment, inputs);
    }));
  if (what.workload == "process_latency") return bench::report(latency(what.count));
  if (what.workload == "process_latency_spinning") return bench::report(latency(what.count, 100us));
  if (what.workload == "process_burst") return bench::report(burst(what.count));
  if (what.workload == "process_payload_64k") return bench::report(payloads(64_KiB, what.count));
  if (what.workload == "process_payload_1m") return bench::report(payloads(1_MiB, what.count));
  if (what.workload == "process_payload_64m") return bench::report(payloads(64_MiB, what.count));
  if (what.workload == "process_lease_64m") return bench::report(lease(64_MiB, what.count));
  if (what.workload == "process_worker_memory") return bench::report(worker_memory());
  if (what.workload == "process_start") return bench::report(start());
  if (what.workload == "process_one_more_large") return bench::report(one_more(std::size_t{1} << 30U));
  if (what.workload == "process_grow") return bench::report(grow());
  if (what.workload == "process_one_more_small") return bench::report(one_more(0));
  if (what.workload == "process_crash") return bench::report(crash());
  if (what.workload == "process_hung") return bench::report(hung());
  if (what.workload == "process_memory") return bench::report(memory(what.count));
  return bench::not_supported;
}
