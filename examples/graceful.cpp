// SPDX-License-Identifier: MIT
// A graceful end: nothing new is taken, what there is gets done, and then the pool lives again.
#include <cstdio>
#include <vector>

#include <muster/muster.hpp>

int main() {
  muster::thread_pool pool(2);
  std::vector<muster::future<int>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(pool.submit([i] { return i; }));
  const muster::stop_report end = pool.stop(std::chrono::seconds(30));
  int sum = 0;
  for (auto& a : answers) sum += a.get();
  std::printf("sum %d, forced: %s\n", sum, end.forced ? "yes" : "no");
  try {
    (void)pool.submit([] { return 1; });
  } catch (const muster::pool_stopped&) {
    std::puts("nothing new is taken");
  }
  pool.start();
  std::printf("another life: %d\n", pool.submit([] { return 7; }).get());
}
