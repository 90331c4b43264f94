// SPDX-License-Identifier: MIT
// Every piece of code in docs/guide/failing.md, in its order; a test compares the two.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

void run_it_again() {
  muster::thread_pool pool({.workers = {2},
                            .retry = {.attempts = 4,
                                      .backoff = {.first = 1ms, .max = 8ms, .jitter = muster::jitter::full},
                                      .on_error = true,
                                      .permanent = {muster::error_kind::of<std::invalid_argument>()}}});
  int calls = 0;
  std::printf("after %d calls\n",
              pool.submit([&] { return ++calls < 3 ? throw std::runtime_error("busy") : calls; }).get());
}

void refuse_for_a_while() {
  muster::thread_pool guarded(
      {.workers = {1}, .breaker = muster::breaker_options{.failures = 3, .open_for = 1h}});
  for (int i = 0; i < 3; ++i) {
    auto call = guarded.submit([] { throw std::runtime_error("connection refused"); });
    call.wait();
  }
  try {
    guarded.post([] {});
  } catch (const muster::circuit_open&) {
    std::puts("refused at once");
  }
}

void set_poison_aside() {
  muster::process_pool careful(
      {.workers = {2}, .retry = {.attempts = 10}, .quarantine = muster::quarantine_options{.deaths = 3}});
  auto poison = careful.submit({.id = "bad.jpg"}, [] { std::abort(); });
  try {
    poison.get();
  } catch (const muster::quarantined& e) {
    std::printf("set aside at attempt %d\n", e.subject().attempt);
  }
}

void keep_what_failed() {
  muster::thread_pool keeper({.workers = {1}, .dead_letters = 100});
  bool repaired = false;
  auto lost =
      keeper.submit({.id = "order 7"}, [&] { return repaired ? 7 : throw std::runtime_error("no disk"); });
  lost.wait();
  repaired = true;
  for (const muster::dead_letter& letter : keeper.dead_letters())
    std::printf("%s: %s; again: %d\n", letter.id.c_str(), letter.text.c_str(),
                keeper.resubmit<int>(letter.task).get());
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  run_it_again();
  refuse_for_a_while();
  set_poison_aside();
  keep_what_failed();
}
