// SPDX-License-Identifier: MIT
//
// Our Node workers, with the functions that the pools of npm have: node_tasks.cjs.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <muster/host.hpp>
#include <muster/init.hpp>

#include "common.hpp"

namespace {

using bench::clock;
using bench::require;

// Ten calls at once in each worker, as the npm package has them by default.
muster::host_pool two_workers() {
  return muster::host_pool(
      muster::node{.module = MUSTER_BENCH_TASKS},
      {.workers = {.min = 2, .max = 2, .at_once = 10}, .queue = {.capacity = std::nullopt}});
}

void warm_up(muster::host_pool& pool) {
  for (int i = 0; i < 300; ++i) require(pool.call<int>("increment", i).get() == i + 1, "a result is wrong");
}

double calls(std::size_t count) {
  muster::host_pool pool = two_workers();
  warm_up(pool);
  std::vector<muster::future<int>> results;
  results.reserve(count);
  const auto begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) results.push_back(pool.call<int>("increment", static_cast<int>(i)));
  std::int64_t sum = 0;
  for (auto& result : results) sum += result.get();
  const double time = bench::seconds_since(begin);
  const auto n = static_cast<std::int64_t>(count);
  require(sum == n * (n + 1) / 2, "the results are wrong");
  return static_cast<double>(count) / time;
}

/// Megabytes a second, with two calls under way.
double payloads(std::size_t size, std::size_t count) {
  muster::host_pool pool = two_workers();
  warm_up(pool);
  const std::vector<std::byte> payload(size, std::byte{'m'});
  const auto send = [&] { return pool.call<int>("sizeOf", payload); };
  const auto check = [&](muster::future<int> result) {
    require(result.get() == static_cast<int>(size), "a result is wrong");
  };
  check(send());
  const auto begin = clock::now();
  auto earlier = send();
  for (std::size_t i = 1; i < count; ++i) check(std::exchange(earlier, send()));
  check(std::move(earlier));
  return static_cast<double>(size * count) / 1e6 / bench::seconds_since(begin);
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  const auto job = bench::read_job(argc, argv);
  if (job.workload == "node_calls") return bench::report(calls(job.count));
  if (job.workload == "node_payload_1m") return bench::report(payloads(std::size_t{1} << 20, job.count));
  return bench::not_supported;
}
