// SPDX-License-Identifier: MIT
// A task that fails at first and is run again, with pauses that grow; its last error comes when it never
// succeeds.
#include <atomic>
#include <cstdio>
#include <stdexcept>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

int main() {
  muster::thread_pool pool(
      {.workers = {1}, .retry = {.attempts = 4, .backoff = {.first = 1ms, .max = 8ms}, .on_error = true}});
  std::atomic<int> tries{0};
  auto works = pool.submit([&tries] {
    if (++tries < 3) throw std::runtime_error("not yet");
    return tries.load();
  });
  std::printf("worked at attempt %d\n", works.get());
  auto never = pool.submit([]() -> int { throw std::runtime_error("never"); });
  try {
    (void)never.get();
  } catch (const std::exception& e) {
    std::printf("gave up: %s\n", e.what());
  }
  std::printf("%zu attempts after the first\n", pool.stats().retried);
}
