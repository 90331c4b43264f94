// SPDX-License-Identifier: MIT
// Auto-scaling: workers come while tasks wait, and go when they have had nothing to do for a while. For loads
// that come in bursts. When exactly is said by .scaling; every change is an event with its reason.
#include <algorithm>
#include <cstdio>
#include <future>
#include <latch>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

int main() {
  std::latch all_at_once(4);
  std::promise<int> is_small_again;
  int largest = 0;  // written by the handler, one event after the other
  muster::thread_pool pool({.workers = {.min = 1, .max = 4, .idle_timeout = 20ms}, .start = false});
  pool.on(muster::event_kind::scaled, [&](const muster::event& e) {  // e.text says why
    largest = std::max(largest, e.to);
    if (e.to == 1 && e.from > 1) is_small_again.set_value(largest);
  });
  pool.start();

  // Four tasks that only end together: one worker could never do them.
  for (int i = 0; i < 4; ++i) pool.post([&all_at_once] { all_at_once.arrive_and_wait(); });
  pool.wait_idle();
  std::printf("grew from 1 to %d workers, and shrank to 1 again\n", is_small_again.get_future().get());
}
