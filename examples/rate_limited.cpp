// SPDX-License-Identifier: MIT
// A limit on the rate: so many starts a second, and a burst that may come at once. For services that allow no
// more. Tasks wait for their turn in the queue: no worker sleeps, and they can be cancelled meanwhile.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include <muster/muster.hpp>

using namespace std::chrono_literals;
using std::chrono::steady_clock;

int main() {
  muster::thread_pool pool({
      .workers = {4},
      .queue = {.rate = muster::rate_options{.per_second = 100, .burst = 5}},
  });

  const auto begin = steady_clock::now();
  std::vector<muster::future<steady_clock::time_point>> calls;
  for (int i = 0; i < 15; ++i) calls.push_back(pool.submit([] { return steady_clock::now(); }));

  steady_clock::time_point last;
  for (auto& call : calls) last = std::max(last, call.get());
  std::printf("5 calls at once, and 10 more took 10 ms each: %s\n", last - begin >= 100ms ? "yes" : "no");

  // The same for one kind of task among others, here for those that are submitted with {.key = "api"}.
  muster::thread_pool mixed({
      .workers = {4},
      .queue = {.keys = {{"api", {.at_once = 2, .rate = muster::rate_options{.per_second = 100}}}}},
  });
  int answers = 0;
  for (auto& answer : mixed.map({.key = "api"}, [](int x) { return x; }, std::vector<int>(5)).futures())
    answers += answer.get() == 0 ? 1 : 0;
  std::printf("%d calls of one key\n", answers);
}
