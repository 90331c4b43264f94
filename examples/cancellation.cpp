// SPDX-License-Identifier: MIT
// Cancelling: one task by its future, many by one stop token. What has not begun never does; what runs is
// told, and may still give what it has. For answers that nobody waits for any more.
#include <cstdio>
#include <latch>
#include <stop_token>
#include <vector>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

int main() {
  std::latch has_begun(1);
  muster::thread_pool pool({.workers = {1}, .grace = 10s});  // so long a task that is told may take to answer

  auto search = pool.submit([&has_begun](std::stop_token stop) {
    long tried = 0;
    for (has_begun.count_down(); !stop.stop_requested();) ++tried;
    return tried;  // as far as it came
  });
  has_begun.wait();

  auto queued = pool.submit([] { std::puts("nobody sees this"); });
  std::stop_source page_was_left;
  std::vector<muster::future<int>> images;
  for (int i = 0; i < 20; ++i)
    images.push_back(pool.submit({.stop = page_was_left.get_token()}, [i] { return i; }));

  queued.cancel();
  page_was_left.request_stop();
  int cancelled = 0;
  for (auto& image : images) {
    try {
      image.get();
    } catch (const muster::cancelled&) {
      ++cancelled;
    }
  }
  std::printf("%d that waited were cancelled by one token\n", cancelled);

  search.cancel();
  std::printf("the one that ran gave what it had: %s\n", search.get() >= 0 ? "yes" : "no");
}
