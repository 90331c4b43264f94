// SPDX-License-Identifier: MIT
// Every piece of code in docs/guide/composing.md, in its order; a test compares the two.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <muster/muster.hpp>

using namespace std::chrono_literals;

namespace {

std::string fetch(int page) { return std::string(static_cast<std::size_t>(page), 'x'); }
std::size_t parse(const std::string& text) { return text.size(); }
std::size_t weigh(std::size_t words) { return words * 2; }
std::size_t check(const std::string& text) {
  return text.empty() ? throw std::invalid_argument("an empty page") : text.size();
}
int render(int from, int to) { return to - from; }

void named_pools() {
  muster::pool_group pools({
      .threads = {{"cpu", {.workers = {2}}}, {"net", {.workers = {8}}}},
      .processes = {{"untrusted", {.workers = {1}}}},
      .default_pool = "cpu",
  });
  auto text = pools.submit("net", fetch, 5);
  auto size = pools.submit("untrusted", parse, text.get());  // in a process of its own
  auto more = pools.submit("something else", weigh, size.get());
  std::printf("named pools: %zu\n", more.get());
  const std::string here = "and what only a thread can have";
  pools.thread("cpu").submit([&here] { return here.size(); }).wait();
  const muster::group_stop_report report = pools.stop(10s);
  std::printf("named pools: %zu stopped%s\n", report.pools.size(), report.all.forced ? ", by force" : "");
}

void stages() {
  muster::thread_pool net(4);
  muster::process_pool parsers(2);
  muster::thread_pool cpu(2);
  std::vector<int> pages = {3, 1, 4, 1, 5};
  auto texts = net.map_unordered(fetch, pages);       // whichever comes first
  auto sizes = parsers.map(parse, std::move(texts));  // in the order in which they came
  std::size_t sum = 0;
  for (const std::size_t w : cpu.map(weigh, std::move(sizes))) sum += w;
  std::printf("stages: %zu\n", sum);
}

void results() {
  muster::process_pool pool(2);
  muster::results<std::size_t> done(100);  // at most so many are under way or unread
  std::thread feeder([&] {
    for (int page = 0; page < 300; ++page)
      done.submit(pool, {.id = "page " + std::to_string(page)}, check,
                  std::string(static_cast<std::size_t>(page), 'x'));
    done.close();
  });
  std::size_t sum = 0;
  for (auto& r : done) {
    if (r.ok())
      sum += r.get();
    else
      std::printf("results: %s failed\n", r.id.c_str());
  }
  feeder.join();
  std::printf("results: %zu\n", sum);
}

void groups() {
  muster::thread_pool pool(2);
  muster::task_group group;
  auto upper = group.submit(pool, render, 0, 500);
  auto lower = group.submit(pool, render, 500, 1'000);
  group.wait();  // throws the first error, and then the others were cancelled
  std::printf("groups: %d\n", upper.get() + lower.get());
  try {
    auto empty = group.submit(pool, check, std::string());
    group.wait();
  } catch (const std::invalid_argument& e) {
    std::printf("groups: %s\n", e.what());
  }
}

void everybody() {
  muster::process_pool pool(3);
  std::vector<int> pids;
  for (auto& each : pool.broadcast([] { return static_cast<int>(::getpid()); }))
    pids.push_back(each.result.get());
  std::sort(pids.begin(), pids.end());
  std::printf("everybody: %zu\n",
              static_cast<std::size_t>(std::unique(pids.begin(), pids.end()) - pids.begin()));
}

void no_more() {
  muster::thread_pool pool(2);
  auto last = pool.submit(weigh, std::size_t{4});
  pool.close();
  try {
    pool.post(weigh, std::size_t{5});
  } catch (const muster::pool_stopped&) {
    std::puts("no more: refused");
  }
  pool.wait_idle();
  std::printf("no more: %zu\n", last.get());
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  named_pools();
  stages();
  results();
  groups();
  everybody();
  no_more();
}
