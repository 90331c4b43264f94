// SPDX-License-Identifier: MIT
// Every piece of code in docs/guide/pools.md, in its order; a test compares the two.
#include <unistd.h>

#include <atomic>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

int square(int x) { return x * x; }
int shrink(const std::string& path, int width) { return static_cast<int>(path.size()) * width; }
int process_id() { return ::getpid(); }
bool step() {
  std::this_thread::sleep_for(1ms);
  return true;
}

void two_pools() {
  muster::thread_pool threads({.workers = {2}});
  muster::process_pool processes({.workers = {.min = 1, .max = 4}});
  muster::future<int> here = threads.submit(square, 7);
  muster::future<int> there = processes.submit(square, 7);
  std::printf("two pools: %d %d\n", here.get(), there.get());
}

void futures() {
  muster::thread_pool pool(2);
  auto f = pool.submit([](int x) { return x + 1; }, 41);
  if (!f.wait_for(5s)) std::puts("not yet");
  try {
    std::printf("futures: %d\n", f.get());
  } catch (const muster::error& e) {  // what happened to the task, not what it threw
    std::puts(e.what());
  } catch (const std::exception& e) {  // what the task threw
    std::puts(e.what());
  }

  auto text = pool.submit(square, 3).then([](int x) { return std::to_string(x) + "!"; });
  auto seen =
      pool.submit([]() -> int { throw std::runtime_error("no luck"); }).then([](muster::future<int> ready) {
        try {
          return std::to_string(ready.get());
        } catch (const std::exception& e) {
          return std::string(e.what());
        }
      });
  std::printf("then: %s %s\n", text.get().c_str(), seen.get().c_str());
}

// The least a coroutine needs: it starts at once, and says when it is done.
struct job {
  struct promise_type {
    job get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

job sum_of_squares(muster::process_pool& pool, std::atomic<int>& result) {
  const int a = co_await pool.submit(square, 3);
  const int b = co_await pool.submit(square, 4);
  result = a + b;
}

void coroutines() {
  muster::process_pool pool(1);
  std::atomic<int> result = 0;
  sum_of_squares(pool, result);
  while (result == 0) std::this_thread::sleep_for(1ms);
  std::printf("co_await: %d\n", result.load());
}

void maps() {
  muster::process_pool pool(2);
  const std::vector<std::string> paths = {"a.jpg", "bb.jpg", "ccc.jpg"};
  int total = 0;
  for (int size : pool.map(shrink, paths, 200)) total += size;
  std::printf("map: %d\n", total);

  const auto odd_fails = [](int x) { return x % 2 == 0 ? x : throw std::invalid_argument("odd"); };
  auto results = pool.map_unordered({.run_timeout = 10s}, odd_fails, std::vector<int>{1, 2, 3, 4});
  int good = 0, bad = 0;
  for (auto at = results.begin(); at != results.end(); ++at) {
    try {
      good += *at;
    } catch (const std::exception&) {
      ++bad;
    }
  }
  std::printf("map_unordered: %d, %d failed\n", good, bad);

  std::vector<muster::future<int>> all = pool.map(square, std::vector<int>{1, 2, 3}).futures();
  std::printf("futures of a map: %zu, the last %d\n", all.size(), all.back().get());

  std::vector<muster::future<int>> squares = pool.submit_bulk(square, std::vector<int>{1, 2, 3});
  std::printf("in bulk: %zu, the last %d\n", squares.size(), squares.back().get());

  int sum = 0;
  for (int each : pool.map({.per_task = 1'000}, square, std::vector<int>{1, 2, 3})) sum += each;
  std::printf("in one task: %d\n", sum);
}

void choosing() {
  muster::process_pool pool({
      .workers = {2},
      .strategy = muster::strategy::key,
      .choose = {.affinity = muster::affinity::hard},
  });
  auto one = pool.submit({.key = "customer 7"}, process_id);
  auto two = pool.submit({.key = "customer 7"}, process_id);
  std::printf("choosing: the same worker %d\n", one.get() == two.get());
}

void scaling() {
  muster::thread_pool pool({
      .workers = {.min = 1, .max = 8, .idle_timeout = 30s},
      .scaling = {.up_at = 0.8, .down_at = 0.2, .cool_down = 10s},
  });
  pool.resize(2, 4);
  auto page = pool.submit([] {
    const muster::blocking hint;  // it waits, so another worker may run
    return step();
  });
  std::printf("scaling: %d\n", page.get());
}

void queue() {
  std::atomic<bool> go_on = false;  // outlives the pool, whose last tasks wait for it
  muster::thread_pool pool({
      .workers = {1},
      .queue = {.capacity = 1, .when_full = muster::when_full::reject},
  });
  std::vector<muster::future<void>> accepted;
  try {
    for (;;) accepted.push_back(pool.submit([&] { go_on.wait(false); }));
  } catch (const muster::queue_full&) {
    std::puts("queue: full");
  }
  go_on = true;
  go_on.notify_all();
}

void task_options() {
  muster::process_pool pool(1);
  auto urgent = pool.submit({.priority = muster::priority::high, .id = "front page"}, square, 5);
  auto hangs = pool.submit({.run_timeout = 50ms}, [](std::stop_token stop) {
    while (!stop.stop_requested()) step();
  });
  try {
    hangs.get();
  } catch (const muster::task_timeout&) {
    std::printf("task options: %d, and one was too slow\n", urgent.get());
  }
}

void retries() {
  muster::process_pool pool({.workers = {1}, .retry = {.attempts = 3, .backoff = {.first = 1ms}}});
  auto second_time = pool.submit([](muster::context& about) {
    if (about.attempt() == 1) std::abort();
    return about.attempt();
  });
  auto never_again = pool.submit({.retry = muster::retry_options{.attempts = 1}}, [] { std::abort(); });
  std::printf("retries: attempt %d\n", second_time.get());
  try {
    never_again.get();
  } catch (const muster::unexpected_exit& e) {
    std::printf("retries: signal %d\n", e.death().signal.value_or(0));
  }
}

void events() {
  std::atomic<int> died = 0;
  muster::process_pool pool({.workers = {1}, .start = false});
  pool.on(muster::event_kind::worker_died, [&](const muster::event& e) {
    died = e.death->signal.value_or(0);
    died.notify_one();
  });
  pool.on(muster::event_kind::task_failed, [](const muster::event&) {});
  pool.start();
  pool.post([] { std::abort(); });
  died.wait(0);
  std::printf("events: a worker died of signal %d\n", died.load());
}

void says() {
  std::string lines;
  std::atomic<double> furthest = 0;
  {
    muster::thread_pool pool({
        .workers = {1},
        .log = [&](const muster::log_line& line) { lines += line.text + "; "; },
    });
    auto resized = pool.submit(
        {
            .id = "page 3",
            .on_progress = [&](const muster::task_progress& p) { furthest = p.fraction; },
        },
        [](muster::context& about) {
          muster::log(muster::log_level::info, "resizing");
          for (int i = 1; i <= 4; ++i) about.progress(i / 4.0, "strip " + std::to_string(i));
        });
    resized.get();
    pool.stop();
  }
  std::printf("says: %s%.2f\n", lines.c_str(), furthest.load());
}

void streams() {
  muster::process_pool pool(1);
  auto squares = pool.stream(
      [](muster::yielder<int>& yield, int count) {
        for (int i = 0; i < count; ++i)
          if (!yield(i * i)) return 0;  // nobody reads any more
        return count;
      },
      4);
  int sum = 0;
  while (const auto next = squares.next()) sum += *next;
  std::printf("streams: %d of %d\n", sum, squares.get());
}

void stopping() {
  muster::thread_pool pool(1);
  auto slow = pool.submit([](std::stop_token stop) {
    while (!stop.stop_requested()) step();
    return 1;
  });
  const muster::stop_report report = pool.stop(20ms);
  std::printf("stopping: forced %d, settled %d\n", report.forced, slow.ready());
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  two_pools();
  futures();
  coroutines();
  maps();
  choosing();
  scaling();
  queue();
  task_options();
  retries();
  events();
  says();
  streams();
  stopping();
}
