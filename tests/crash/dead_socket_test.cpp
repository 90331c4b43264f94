// SPDX-License-Identifier: MIT
// Calls whose arguments are sent beside the ring, to a worker that has just died.
#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <vector>

#include <muster/muster.hpp>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

using namespace std::chrono_literals;

std::size_t size_of(const std::vector<std::byte>& all) { return all.size(); }

TEST(a_call_too_large_for_the_ring, runs_elsewhere_where_its_worker_turns_out_to_be_dead) {
  process_pool pool(
      {.workers = {2}, .restart = {.first = 1ms, .max = 5ms}, .worker_stderr = worker_stderr::keep});
  pool.start();
  const std::vector<std::byte> large(4 << 20);
  for (int i = 0; i < 100; ++i) {
    for (const auto& w : pool.stats().workers)
      if (w.pid != 0 && w.state == worker_state::idle) (void)signal_process(w.pid, SIGKILL);
    auto one = pool.submit(size_of, large);
    auto other = pool.submit(size_of, large);
    EXPECT_EQ(one.get(), large.size());  // a worker that is dead cannot begin it
    EXPECT_EQ(other.get(), large.size());
  }
}

}  // namespace
}  // namespace muster::test
