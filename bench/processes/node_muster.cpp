// SPDX-License-Identifier: MIT
//
// Our Node workers, with the functions that the pools of npm have: node_tasks.cjs.
#include <cstddef>
#include <vector>

#include <muster/host.hpp>
#include <muster/init.hpp>

#include "processes/calls.hpp"

namespace {

// Ten calls at once in each worker, as the npm package has them by default.
muster::host_pool two_workers() {
  return muster::host_pool(
      muster::node{.module = MUSTER_BENCH_TASKS},
      {.workers = {.min = 2, .max = 2, .at_once = 10}, .queue = {.capacity = std::nullopt}});
}

double calls(std::size_t count) {
  muster::host_pool pool = two_workers();
  return bench::calls_a_second(count, [&](int i) { return pool.call<int>("increment", i); });
}

double payloads(std::size_t size, std::size_t count) {
  muster::host_pool pool = two_workers();
  bench::warm_up([&](int i) { return pool.call<int>("increment", i); });
  const std::vector<std::byte> payload(size, std::byte{'m'});
  return bench::megabytes_a_second(size, count, [&] { return pool.call<int>("sizeOf", payload); });
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  const auto job = bench::read_job(argc, argv);
  if (job.workload == "node_calls") return bench::report(calls(job.count));
  if (job.workload == "node_payload_1m") return bench::report(payloads(std::size_t{1} << 20, job.count));
  return bench::not_supported;
}
