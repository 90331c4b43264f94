// SPDX-License-Identifier: MIT
// Warm workers: the least number is up, and each has its connection (its model, its cache) before the first
// task comes, keeps it alive while idle, and closes it in the end. For tasks that must not pay for a start.
#include <atomic>
#include <cstdio>
#include <optional>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

struct connection {};  // imagine a database's
thread_local std::optional<connection> mine;

void wait_for(const std::atomic<int>& count, int least) {
  for (int now = count; now < least; now = count) count.wait(now);
}

}  // namespace

int main() {
  std::atomic<int> opened = 0, pinged = 0, closed = 0;
  const auto count = [](std::atomic<int>& what) {
    ++what;
    what.notify_one();
  };
  const auto open = [&] {
    mine.emplace();
    count(opened);
  };
  const auto ping = [&] { count(pinged); };
  const auto close = [&] {
    mine.reset();
    count(closed);
  };
  {
    muster::thread_pool pool({
        .workers = {.min = 2, .max = 4},
        .hooks = {.init = open, .close = close, .keep_alive = ping, .keep_alive_every = 5ms},
    });
    wait_for(opened, 2);
    std::printf("before the first task: %d connections\n", opened.load());
    wait_for(pinged, 3);
    std::puts("and they are kept alive");
    std::printf("a task has one: %s\n", pool.submit([] { return mine.has_value(); }).get() ? "yes" : "no");
  }
  std::printf("all are closed: %s\n", closed == opened ? "yes" : "no");
}
