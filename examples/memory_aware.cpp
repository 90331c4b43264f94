// SPDX-License-Identifier: MIT
// Memory-aware: a worker that has grown beyond a soft limit is replaced after its task, and no task is lost.
// For code that leaks. (limits.memory is the hard limit: a task that needs more fails as out_of_memory.)
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include <muster/muster.hpp>

using namespace muster::literals;

namespace {

// Never lets go of what it has read. Returns the process it ran in.
int parse(std::size_t bytes) {
  static std::vector<std::string> leaked;
  leaked.emplace_back(bytes, 'x');
  return ::getpid();
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  std::atomic<int> replaced = 0;
  muster::process_pool pool({.workers = {1}, .limits = {.memory_soft = 64_MiB}, .start = false});
  pool.on(muster::event_kind::worker_recycled, [&](const muster::event&) {
    ++replaced;
    replaced.notify_one();
  });
  pool.start();

  const int first = pool.submit(parse, 100_MiB).get();
  replaced.wait(0);  // looked at twice a second; the new worker is ready before the old one goes
  const int second = pool.submit(parse, 1_KiB).get();
  std::printf("another process: %s, deaths: %zu\n", first != second ? "yes" : "no",
              pool.stats().workers_died);
}
