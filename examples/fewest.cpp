// SPDX-License-Identifier: MIT
// Least busy: each task goes to the worker that has the fewest. For process pools whose tasks take very
// different times. (By how many tasks each was ever handed: strategy::fewest_served.)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <latch>
#include <thread>
#include <vector>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

long square(long x) { return x * x; }

void takes_long(muster::context& about) {
  about.progress(0, "begun");
  while (!about.stop_requested()) std::this_thread::sleep_for(1ms);
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  std::latch has_begun(1);
  muster::process_pool pool({.workers = {2}, .strategy = muster::strategy::fewest});
  for (auto& each : pool.broadcast([] {})) each.result.get();  // both are up

  auto slow = pool.submit(
      {.report = true, .on_progress = [&](const muster::task_progress&) { has_begun.count_down(); }},
      takes_long);
  has_begun.wait();
  std::vector<unsigned> ran_on;
  for (long x = 0; x < 6; ++x)
    ran_on.push_back(pool.submit({.report = true}, square, x).report()->worker.value());

  slow.cancel();
  const unsigned busy = slow.report()->worker.value();
  std::printf("beside the slow task ran %td of 6\n", std::count(ran_on.begin(), ran_on.end(), busy));
}
