// SPDX-License-Identifier: MIT
// Timeouts: how long a task may wait, how long it may run, or how long both may take together. A process that
// does not stop in time is killed and replaced, so a task that hangs costs nothing but itself.
#include <unistd.h>

#include <cstdio>
#include <stop_token>
#include <thread>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

void run_until_told(std::stop_token stop) {
  while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
}
int hang(int) {
  for (;;) ::pause();
}
int square(int x) { return x * x; }

int get_or_say(muster::future<int> task, const char* what) {
  try {
    return task.get();
  } catch (const muster::task_timeout&) {
    std::printf("%s\n", what);
    return 0;
  }
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool({.workers = {1}, .grace = 20ms});

  auto before = pool.submit(run_until_told);  // has the only worker
  get_or_say(pool.submit({.queue_timeout = 10ms}, square, 3), "waited for too long, and never runs");
  get_or_say(pool.submit({.deadline = 10ms}, square, 3), "not done by its deadline, waits included");
  before.cancel();

  get_or_say(pool.submit({.run_timeout = 30ms}, hang, 3), "ran for too long, and its worker is ended");
  std::printf("the next worker: %d\n", get_or_say(pool.submit({.run_timeout = 1min}, square, 3), "late"));
}
