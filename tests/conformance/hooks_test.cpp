// SPDX-License-Identifier: MIT
// What runs in workers beside tasks, and what workers are: hooks, CPUs, names, niceness. The hooks of a
// process pool are functions, so they find their files by the environment; one text for both kinds of pool.
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <set>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// Where hooks of this test write to. A worker process has it from its environment.
std::string& place_of_hooks() {
  static std::string place =
      std::getenv("MUSTER_TEST_HOOKS") != nullptr ? std::getenv("MUSTER_TEST_HOOKS") : "";
  return place;
}
void note_close() { append(place_of_hooks(), "close"); }
void note_keep_alive() { append(place_of_hooks(), "keep-alive"); }
void throws() {
  append(place_of_hooks(), "threw");
  throw std::runtime_error("a hook of a test");
}

template <class Pool>
options_of<Pool> with_place(const std::string& place) {
  options_of<Pool> options{.workers = {1}};
  place_of_hooks() = place;
  if constexpr (has_processes<Pool>) options.env.set = {{"MUSTER_TEST_HOOKS", place}};
  return options;
}

std::ptrdiff_t count_in(const std::string& file, const std::string& line) {
  const auto all = lines_of(file);
  return std::ranges::count(all, line);
}

template <class Pool>
struct hooks : testing::Test {};
TYPED_TEST_SUITE(hooks, both_pools, pool_names);

TYPED_TEST(hooks, for_the_close_run_once_in_each_worker_that_ends_in_peace) {
  const scratch files;
  auto options = with_place<TypeParam>(files("log"));
  options.workers = {2};
  options.hooks.close = note_close;
  {
    TypeParam pool(options);
    EXPECT_EQ(pool.submit(note, files("log"), 1).get(), 1);
    ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
    EXPECT_EQ(count_in(files("log"), "close"), 0);
    pool.stop();
    EXPECT_EQ(count_in(files("log"), "close"), 2);
  }
  EXPECT_EQ(count_in(files("log"), "close"), 2);
}

TYPED_TEST(hooks, for_the_close_run_when_the_pool_shrinks) {
  const scratch files;
  auto options = with_place<TypeParam>(files("log"));
  options.workers = {.min = 0, .max = 1, .idle_timeout = 5ms};
  options.hooks.close = note_close;
  TypeParam pool(options);
  pool.submit(nothing).get();
  ASSERT_TRUE(eventually([&] { return count_in(files("log"), "close") == 1; }));
}

TYPED_TEST(hooks, that_keep_alive_run_again_and_again_while_a_worker_is_idle_and_only_then) {
  const scratch files;
  auto options = with_place<TypeParam>(files("log"));
  options.hooks.keep_alive = note_keep_alive;
  options.hooks.keep_alive_every = 5ms;
  TypeParam pool(options);
  ASSERT_TRUE(eventually([&] { return count_in(files("log"), "keep-alive") >= 3; }));
  blocker busy(pool);
  const auto before = count_in(files("log"), "keep-alive");
  EXPECT_FALSE(eventually([&] { return count_in(files("log"), "keep-alive") > before; }, 40ms));
  busy.open();
  ASSERT_TRUE(eventually([&] { return count_in(files("log"), "keep-alive") > before; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
}

TYPED_TEST(hooks, that_throw_harm_nobody) {
  const scratch files;
  auto options = with_place<TypeParam>(files("log"));
  options.hooks.close = throws;
  options.hooks.keep_alive = throws;
  options.hooks.keep_alive_every = 5ms;
  testing::internal::CaptureStderr();
  std::atomic<int> told = 0;
  {
    TypeParam pool(options);
    pool.on(event_kind::error, [&](const event& e) {
      told += e.text.find("its keep-alive hook threw: a hook of a test") != std::string::npos ? 1 : 0;
    });
    pool.submit(nothing).get();
    ASSERT_TRUE(eventually([&] { return count_in(files("log"), "threw") >= 2; }));
    if (!has_processes<TypeParam>) {
      ASSERT_TRUE(eventually([&] { return told >= 2 && pool.stats().errors_by_code["hook"] >= 2; }));
    }
    EXPECT_EQ(pool.submit(echo, 3).get(), 3);
    EXPECT_EQ(pool.stats().workers_started, 1U);
    EXPECT_FALSE(pool.stop().forced);
  }
  const std::string said = testing::internal::GetCapturedStderr();
  if (has_processes<TypeParam>) {
    EXPECT_NE(said.find("its keep-alive hook threw: a hook of a test"), std::string::npos) << said;
    EXPECT_NE(said.find("its close hook threw: a hook of a test"), std::string::npos) << said;
  }
}

int my_cpus() {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  if (sched_getaffinity(0, sizeof(mine), &mine) != 0) return -1;
  int only = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mine)) only = only == -1 ? cpu : -2;
  return only;  // -2: several
}
int my_cpus_beside(std::string begun, std::string gate) {
  hold(std::move(begun), std::move(gate), 0);
  return my_cpus();
}

TYPED_TEST(hooks, and_cpus_pin_each_worker_to_one_in_turn) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  ASSERT_EQ(sched_getaffinity(0, sizeof(usable), &usable), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < 2; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &usable)) cpus.push_back(cpu);
  const scratch files;
  TypeParam pool(options_of<TypeParam>{.workers = {static_cast<int>(cpus.size())}, .cpus = cpus});
  std::vector<future<int>> all;
  for (std::size_t i = 0; i < cpus.size(); ++i)
    all.push_back(pool.submit(my_cpus_beside, files("b" + std::to_string(i)), files("gate")));
  for (std::size_t i = 0; i < cpus.size(); ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
  touch(files("gate"));
  std::set<int> seen;
  for (auto& f : all) seen.insert(f.get());
  EXPECT_EQ(seen, std::set<int>(cpus.begin(), cpus.end()));
  cpu_set_t after;
  CPU_ZERO(&after);
  sched_getaffinity(0, sizeof(after), &after);
  EXPECT_TRUE(CPU_EQUAL(&usable, &after)) << "who made the pool is pinned too";
}

std::string my_name() {
  std::ifstream file("/proc/thread-self/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

TYPED_TEST(hooks, and_names_tell_workers_of_the_pool_apart) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .name = "pages"});
  EXPECT_EQ(pool.submit(my_name).get(), has_processes<TypeParam> ? "muster-pages-0" : "pages-0");
}

int my_nice() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); }

TYPED_TEST(hooks, and_niceness_is_added_to_that_of_workers_alone) {
  const int before = my_nice();
  options_of<TypeParam> options{.workers = {1}};
  if constexpr (has_processes<TypeParam>)
    options.limits.nice = 2;
  else
    options.nice = 2;
  TypeParam pool(options);
  EXPECT_EQ(pool.submit(my_nice).get(), std::min(before + 2, 19));
  EXPECT_EQ(my_nice(), before);
}

// On threads the init hook is among them; on processes it has been there before.
TEST(hooks_of_threads, that_fail_at_the_start_are_why_a_worker_does_not_come_up) {
  std::atomic<int> calls = 0;
  thread_pool pool({.workers = {1}, .start = false, .hooks = {.init = [&] {
                                                      if (++calls == 1)
                                                        throw std::runtime_error("no licence yet");
                                                    }}});
  std::mutex mutex;
  std::string why;
  pool.on(event_kind::start_failed, [&](const event& e) {
    const std::lock_guard lock(mutex);
    why = e.text;
  });
  pool.start();
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_EQ(calls, 2);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return why.find("its init hook threw: no licence yet") != std::string::npos;
  }));
}

TEST(hooks_of_threads, run_on_the_thread_of_their_worker) {
  std::atomic<int> at_init = 0, at_close = 0;
  int at_task = 0;
  {
    thread_pool pool(
        {.workers = {1},
         .hooks = {.init = [&] { at_init = ::gettid(); }, .close = [&] { at_close = ::gettid(); }}});
    at_task = pool.submit([] { return static_cast<int>(::gettid()); }).get();
  }
  EXPECT_EQ(at_init, at_task);
  EXPECT_EQ(at_close, at_task);
}

}  // namespace
}  // namespace muster::test
