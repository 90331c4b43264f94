// SPDX-License-Identifier: MIT
// A dynamic size: a running pool gets more workers, or fewer, when you say so, and nothing is lost. For sizes
// that follow a configuration or the time of day. (resize(1, 5) sets bounds to scale between.)
#include <atomic>
#include <cstdio>
#include <latch>

#include <muster/muster.hpp>

int main() {
  std::latch five_at_once(5);
  std::atomic<int> gone = 0;
  muster::thread_pool pool(1);
  pool.on(muster::event_kind::worker_stopped, [&](const muster::event&) {
    ++gone;
    gone.notify_one();
  });

  pool.resize(5);
  for (int i = 0; i < 5; ++i) pool.post([&five_at_once] { five_at_once.arrive_and_wait(); });
  pool.wait_idle();
  std::printf("%zu workers at once\n", pool.stats().peak_busy);

  pool.resize(1);
  for (int now = gone; now < 4; now = gone) gone.wait(now);
  std::printf("%d are gone, and it works: %d\n", gone.load(), pool.submit([] { return 7; }).get());
}
