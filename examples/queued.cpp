// SPDX-License-Identifier: MIT
// One queue, and whoever is free takes the next task: the default, and best unless another pattern fits
// better. A slow task holds up nobody, and a producer that is too fast waits for room.
#include <cstdio>
#include <latch>
#include <vector>

#include <muster/muster.hpp>

int main() {
  std::latch let_go(1);
  muster::thread_pool pool({.workers = {10}, .queue = {.capacity = 20}});

  auto slow = pool.submit([&let_go] { let_go.wait(); });
  std::vector<muster::future<int>> quick;
  for (int i = 0; i < 1'000; ++i) quick.push_back(pool.submit([i] { return i; }));  // waits while 20 wait

  int sum = 0;
  for (auto& each : quick) sum += each.get();
  std::printf("1,000 quick tasks gave %d, and the slow one %s\n", sum,
              slow.ready() ? "is done" : "still runs");
  std::printf("never more than 20 were queued: %s\n", pool.stats().peak_queued <= 20 ? "yes" : "no");

  let_go.count_down();
  slow.get();
}
