// SPDX-License-Identifier: MIT
// Priorities: the most urgent task is next, and among equals the one that came first. Any number will do, or
// four names. What waits gains a point a second (queue.ageing), so nothing waits for ever.
#include <cstdio>
#include <latch>
#include <string>

#include <muster/muster.hpp>

int main() {
  std::string order;
  std::latch is_busy(1), all_are_queued(1);
  muster::thread_pool pool(1);

  // The only worker is busy until all have been queued.
  pool.post([&] {
    is_busy.count_down();
    all_are_queued.wait();
  });
  is_busy.wait();

  const auto note = [&order](const std::string& name) { order += " " + name; };
  pool.post({.priority = muster::priority::low}, note, "low");
  pool.post(note, "normal");
  pool.post({.priority = muster::priority::high}, note, "high");
  pool.post({.priority = 50}, note, "50");
  pool.post({.priority = muster::priority::high}, note, "high-too");
  pool.post({.priority = muster::priority::critical}, note, "critical");

  all_are_queued.count_down();
  pool.wait_idle();
  std::printf("in this order:%s\n", order.c_str());
}
