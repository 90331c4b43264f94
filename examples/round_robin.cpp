// SPDX-License-Identifier: MIT
// Round robin: each worker in turn, whatever it has to do already. For tasks that are much alike, and for
// workers that shall all keep warm what they hold (a cache, a connection).
#include <cstdio>
#include <vector>

#include <muster/muster.hpp>

namespace {

long square(long x) { return x * x; }

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool({.workers = {3}, .strategy = muster::strategy::round_robin});

  // Turns are taken by the workers that are up. Here all of them shall be, so each runs something first.
  for (auto& each : pool.broadcast([] {})) each.result.get();

  std::vector<int> calls(3);
  for (long x = 0; x < 9; ++x) {
    auto result = pool.submit({.report = true}, square, x);
    ++calls[result.report()->worker.value()];  // which worker it was; asked before get
    result.get();
  }
  std::printf("calls of each worker: %d %d %d\n", calls[0], calls[1], calls[2]);
}
