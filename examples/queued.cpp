// SPDX-License-Identifier: MIT
// One queue, and whoever is free takes the next task: the default, and best unless another pattern fits
// better. A slow task holds up nobody, and a producer that is too fast waits for room.
#include <cstdio>
#include <latch>
#include <vector>

#include <muster/muster.hpp>

int main() {
  std::latch let_go(1);
  muster::thread_pool pool({.workers = {2}, .queue = {.capacity = 8}});

  auto slow = pool.submit([&let_go] { let_go.wait(); });
  std::vector<muster::future<int>> quick;
  for (int i = 0; i < 100; ++i) quick.push_back(pool.submit([i] { return i; }));  // waits while 8 are queued

  int sum = 0;
  for (auto& each : quick) sum += each.get();
  std::printf("100 quick tasks gave %d, and the slow one %s\n", sum, slow.ready() ? "is done" : "still runs");
  std::printf("never more than 8 were queued: %s\n", pool.stats().peak_queued <= 8 ? "yes" : "no");

  let_go.count_down();
  slow.get();
}
