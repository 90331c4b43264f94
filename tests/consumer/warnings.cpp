// SPDX-License-Identifier: MIT
// Options as people write them, where the compiler warns of all it can: none of it may be of ours. g++ 12 at
// -O3 sees members without a value in temporaries of option structs where a member struct with a
// std::function is initialised by {} (write
// `= some_options()` in the struct instead).
#include <cstdio>

#include <muster/muster.hpp>

using namespace muster;

int square(int x) { return x * x; }

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool four({.workers = {4}});
  muster::process_pool limited(
      {.workers = {.min = 1, .max = 4, .idle_timeout = 10s}, .limits = {.memory = 512_MiB}});
  muster::process_pool some(
      {.workers = {2}, .retry = {.attempts = 3}, .env = {.set = {{"A", "B"}}}, .args = {"a"}});
  muster::thread_pool threads({.workers = {4}, .queue = {.capacity = 10}});
  muster::thread_pool two(2);
  (void)some.recycle({.at_once = 2});
  (void)some.recycle({.cwd = "/tmp"}, {.at_once = 2, .deadline = 5s});
  const auto got = four.submit({.priority = muster::priority::high, .run_timeout = 2s}, square, 7).get();
  std::printf("%d %d\n", got, threads.submit([] { return 0; }).get());
}
