// SPDX-License-Identifier: MIT
// Resilient: workers that crash are replaced and their tasks run again; where that does not help, a breaker
// refuses tasks at once for a while. For code that crashes now and then, and calls that may be made twice.
#include <cstdio>
#include <cstdlib>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

int crash_at_first(muster::context& about) {
  if (about.attempt() == 1) std::abort();
  return about.attempt();
}
int crash_always() { std::abort(); }

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool({
      .workers = {2},
      .retry = {.attempts = 3, .backoff = {.first = 1ms, .max = 100ms}},
      .breaker = muster::breaker_options{.failures = 2, .open_for = 1min},
  });

  std::printf("well at attempt %d\n", pool.submit(crash_at_first).get());
  for (int i = 0; i < 2; ++i) {
    try {
      pool.submit(crash_always).get();
    } catch (const muster::unexpected_exit& e) {
      std::printf("given up at attempt %d: signal %d\n", e.subject().attempt, e.death().signal.value_or(0));
    }
  }
  try {
    pool.submit(crash_always).get();
  } catch (const muster::circuit_open&) {
    std::puts("refused at once, and nobody dies for it");
  }
  pool.stop();  // so that all is counted
  std::printf("%zu workers died\n", pool.stats().workers_died);
}
