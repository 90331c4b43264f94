// SPDX-License-Identifier: MIT
// Health checks: a worker process that lives and does nothing is found, killed and replaced; one that fails a
// check of yours is replaced without a death. For workers that hold what can go wrong (a licence, a device).
#include <atomic>
#include <csignal>
#include <cstdio>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

bool licence_is_valid = true;  // each worker process has its own

int hang_at_first(muster::context& about) {
  if (about.attempt() == 1) std::raise(SIGSTOP);
  return about.attempt();
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  std::atomic<int> replaced = 0;
  muster::process_pool pool({
      .workers = {1},
      .retry = {.attempts = 2, .backoff = {.first = 1ms}},
      .health = {.interval = 100ms, .failures = 3, .check = [] { return licence_is_valid; }},
      .start = false,
  });
  pool.on(muster::event_kind::worker_recycled, [&](const muster::event&) {
    ++replaced;
    replaced.notify_one();
  });
  pool.start();

  std::printf("its worker hung: well at attempt %d\n", pool.submit(hang_at_first).get());

  pool.submit([] { licence_is_valid = false; }).get();
  replaced.wait(0);  // the new worker is ready before the old one goes
  std::printf("its licence was gone: now %s\n",
              pool.submit([] { return licence_is_valid; }).get() ? "valid" : "not valid");
}
