// SPDX-License-Identifier: MIT
#include <cstdio>

#include <muster/muster.hpp>

namespace {
int twice(int value) { return 2 * value; }
}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool processes(1);
  muster::thread_pool threads(1);
  std::printf("hello %d %d\n", threads.submit(twice, 1).get(), processes.submit(twice, 2).get());
}
