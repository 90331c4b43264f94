// SPDX-License-Identifier: MIT
// A pool and what it tells about itself: docs/guide/watching.md.
#include <atomic>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

void two_milliseconds() { std::this_thread::sleep_for(2ms); }

void numbers() {
  muster::thread_pool pool({.workers = {2}, .measure = {.one_in = 1}});
  for (int i = 0; i < 9; ++i) pool.post(two_milliseconds);
  auto bad = pool.submit([] { throw std::runtime_error("torn"); });
  bad.wait();
  pool.wait_idle();
  const muster::stats s = pool.stats();
  std::printf("%zu of %zu done (%.0f %%), %zu wait\n", s.succeeded, s.submitted, s.success_rate(), s.queued);
  const muster::time_summary ran = pool.stats().ran, waited = pool.stats().waited;
  std::printf("ran: %zu measured, p50 is %s\n", ran.count, ran.p50 >= 2ms ? "2 ms or more" : "less");
  std::printf("waited: %zu measured\n", waited.count);
  std::printf("errors: %zu by an exception\n", s.errors_by_code.at("exception"));
}

void reports() {
  std::atomic<int> reports = 0;
  muster::thread_pool reporting(
      {.workers = {1}, .report = {.every = 5ms, .hook = [&](const muster::stats&) { ++reports; }}});
  while (reports < 2) std::this_thread::yield();
  std::puts("reported twice");
}

class counters final : public muster::metrics_sink {
public:
  void task_started(const muster::task_metric&) override { ++started; }
  void task_completed(const muster::task_metric&, muster::duration) override { ++completed; }
  void task_failed(const muster::task_metric&, muster::duration, std::string_view) override { ++failed; }
  void error(std::string_view code) override { ++errors[std::string(code)]; }
  int started = 0, completed = 0, failed = 0;
  std::map<std::string, int> errors;
};

void metrics() {
  const auto sink = std::make_shared<counters>();
  {
    muster::thread_pool pool({.workers = {2}, .metrics = sink});
    for (int i = 0; i < 10; ++i) pool.submit([] {}).get();
    pool.submit([] { throw std::runtime_error("torn"); }).wait();
  }
  std::printf("started %d, completed %d, failed %d, exceptions %d\n", sink->started, sink->completed,
              sink->failed, sink->errors["exception"]);
}

void traces() {
  muster::thread_pool traced(1);
  const muster::task_options about{.id = "page 3",
                                   .label = "thumbnail",
                                   .trace = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  const std::string seen =
      traced.submit(about, [] { return muster::current_trace().traceparent.substr(3, 8); }).get();
  std::printf("trace %s\n", seen.c_str());
}

}  // namespace

int main() {
  numbers();
  reports();
  metrics();
  traces();
}
