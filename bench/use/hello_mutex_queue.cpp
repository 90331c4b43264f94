// SPDX-License-Identifier: MIT
#include <cstdio>

#include "threads/mutex_queue.hpp"

int main() {
  bench::mutex_queue threads(1);
  std::printf("hello %d\n", threads.submit([] { return 2; }).get());
}
