// SPDX-License-Identifier: MIT
// What a task says about its worker: that it is still at it, that the worker shall end, how much memory it
// has. And that a lie in those words harms nobody.
#include <csignal>
#include <mutex>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>

#include "ipc/last_words.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

process_options quiet(int workers = 1) {
  return {.workers = {workers}, .restart = {.first = 1h, .max = 1h}, .worker_stderr = worker_stderr::keep};
}
constexpr duration often = base::is_sanitized ? 400ms : 100ms;

TEST(this_worker, a_heartbeat_keeps_a_task_that_waits_for_long_alive) {
  auto options = quiet();
  options.health = {.interval = often, .failures = 1'000, .max_silence = 10 * often};
  process_pool pool(options);
  const auto wait = [](std::string gate, bool beats) {
    while (!exists(gate)) {
      if (beats) this_worker::heartbeat();
      ::usleep(20'000);
    }
    return ::getpid();
  };
  scratch files;
  const int pid = pool.submit(process_id).get();
  auto f = pool.submit(wait, files("gate"), true);
  const auto failed = [&] { return pool.stats().workers.at(0).failed_checks > 0; };
  EXPECT_TRUE(eventually([&] { return !failed(); })) << "before, when it was idle";
  EXPECT_FALSE(eventually(failed, 20 * often));
  touch(files("gate"));
  EXPECT_EQ(f.get(), pid);
}

TEST(this_worker, that_ends_after_its_task_gives_its_value_and_is_replaced_without_loss_or_pause) {
  std::mutex mutex;
  std::vector<event> told;
  process_pool pool(quiet());
  pool.on([&](const event& e) {
    const std::lock_guard lock(mutex);
    told.push_back(e);
  });
  scratch files;
  auto f = pool.submit(
      [](std::string begun, std::string gate) {
        touch(begun);
        (void)appears(gate);
        this_worker::end_after_task("the device is gone");
        this_worker::end_after_task("and so is the rest");
        return ::getpid();
      },
      files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.submit(process_id));
  touch(files("gate"));
  const int pid = f.get();
  for (auto& each : behind) EXPECT_NE(each.get(), pid);
  const auto stopped = [&]() -> std::optional<event> {
    const std::lock_guard lock(mutex);
    for (const event& e : told)
      if (e.kind == event_kind::worker_stopped) return e;
    return {};
  };
  ASSERT_TRUE(eventually([&] { return stopped().has_value(); }));
  EXPECT_NE(stopped()->text.find("the device is gone"), std::string::npos) << stopped()->text;
  EXPECT_EQ(stopped()->death->cause, death_cause::stopped);
  EXPECT_EQ(stopped()->death->exit_code, 0);
  expect_all_settled(pool, 21, 0, 0);
  EXPECT_EQ(pool.stats().workers_died, 0U);
  EXPECT_EQ(pool.stats().workers_started, 2U);
  EXPECT_FALSE(pool.stats().degraded);
}

// S114, both paths.
TEST(this_worker, that_throws_ends_only_when_it_says_so) {
  process_pool pool(quiet());
  const auto fail = [](bool fatal) {
    if (fatal) this_worker::end_after_task("out of licences");
    throw std::runtime_error("no licence");
  };
  const int pid = pool.submit(process_id).get();
  EXPECT_THROW(pool.submit(fail, false).get(), std::runtime_error);
  EXPECT_EQ(pool.submit(process_id).get(), pid);
  EXPECT_THROW(pool.submit(fail, true).get(), std::runtime_error);
  EXPECT_NE(pool.submit(process_id).get(), pid);
}

void wait_for_gate_at_the_end() {
  ::signal(SIGTERM, [](int) { (void)appears(std::getenv("TEST_GATE")); });
}

TEST(this_worker, that_ends_and_takes_its_time_for_it_gives_back_at_once_what_it_had_not_begun) {
  scratch files;
  auto options = quiet();
  options.strategy = strategy::round_robin;  // hands over more than one
  options.stop = {{.signal = SIGTERM, .patience = watchdog}};
  options.init = wait_for_gate_at_the_end;
  options.env.set = {{"TEST_GATE", files("end")}};
  process_pool pool(options);
  auto last = pool.submit(
      [](std::string begun, std::string gate) {
        this_worker::end_after_task("that is enough");
        touch(begun);
        (void)appears(gate);
        return ::getpid();
      },
      files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 3; ++i) behind.push_back(pool.submit(process_id));
  ASSERT_TRUE(eventually([&] { return pool.stats().queued == 0; }));
  touch(files("gate"));
  const int pid = last.get();
  EXPECT_TRUE(eventually([&] { return pool.stats().queued == 3; }));
  EXPECT_EQ(pool.stats().workers.at(0).state, worker_state::stopping);
  touch(files("end"));
  for (auto& f : behind) EXPECT_NE(f.get(), pid);
}

// Or it would be replaced for ever.
TEST(this_worker, that_wants_to_go_before_its_first_task_is_replaced_after_a_pause) {
  scratch files;
  auto options = quiet();
  options.init = [] {
    if (!exists(std::getenv("TEST_GATE"))) this_worker::end_after_task("no licence");
  };
  options.restart = {.first = 1ms, .max = 10ms};
  options.env.set = {{"TEST_GATE", files("gate")}};
  std::mutex mutex;
  std::string text;
  options.start = false;
  process_pool pool(options);
  const auto listens = pool.on(event_kind::degraded, [&](const event& e) {
    const std::lock_guard lock(mutex);
    text = e.text;
  });
  std::thread starter([&] { (void)code_of([&] { pool.start(); }); });
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return text.find("no licence") != std::string::npos;
  }));
  touch(files("gate"));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  starter.join();
  pool.off(listens);
}

// S103.
TEST(this_worker, that_reports_its_memory_is_seen_with_it_and_replaced_for_it) {
  auto options = quiet();
  options.limits.memory_soft = 1_GiB;
  process_pool pool(options);
  const auto report = [](std::size_t bytes) {
    this_worker::report_memory(bytes);
    return ::getpid();
  };
  const int pid = pool.submit(report, 0_MiB).get();
  EXPECT_EQ(pool.stats().workers.at(0).reported_memory, 0U);
  EXPECT_EQ(pool.submit(report, 100_MiB).get(), pid);
  EXPECT_EQ(pool.stats().workers.at(0).reported_memory, 100_MiB);
  EXPECT_EQ(pool.submit(report, 3_GiB).get(), pid);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled == 1; }));
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
}

TEST(this_worker, says_nothing_where_there_is_none) {
  const auto say_all = [] {
    this_worker::heartbeat();
    this_worker::report_memory(1);
    this_worker::end_after_task("no");
    return ::getpid();
  };
  EXPECT_EQ(say_all(), ::getpid());
  thread_pool threads(1);
  EXPECT_EQ(threads.submit(say_all).get(), ::getpid());
  EXPECT_EQ(threads.submit(say_all).get(), ::getpid());
  // A child of a task is no worker, and has no part in its memory.
  process_pool pool(quiet());
  const auto in_a_child = [] {
    const pid_t child = ::fork();
    if (child == 0) {
      this_worker::heartbeat();
      this_worker::report_memory(1);
      this_worker::end_after_task("no");
      ::_exit(7);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(pool.submit(in_a_child).get(), 7);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_EQ(pool.stats().workers_started, 1U);
}

ipc::vital_signs* own_signs() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("muster-replies") != std::string::npos)
      return &reinterpret_cast<ipc::reply_memory*>(std::stoull(line, nullptr, 16))->signs;
  throw std::logic_error("there is no such memory");
}

TEST(this_worker, that_writes_anything_into_its_words_harms_only_itself) {
  std::mt19937_64 dice(seed_of_test());
  auto options = quiet(2);
  options.restart = {.first = 1ms, .max = 10ms};
  options.health = {.interval = 5ms, .failures = 2, .max_silence = 1h};
  options.limits.memory_soft = 1_GiB;
  process_pool pool(options);
  const auto lie = [](std::uint64_t seed, int times) {
    std::mt19937_64 any(seed);
    ipc::vital_signs& signs = *own_signs();
    for (int i = 0; i < times; ++i) {
      signs.pong = static_cast<std::uint32_t>(any());
      signs.heartbeat = any();
      signs.memory = any() % 3 == 0 ? ~std::uint64_t{0} : any();
      ::usleep(200);
    }
    return 1;
  };
  for (int round = 0; round < 40; ++round) {
    auto f = pool.submit(lie, dice(), 30);
    for (int i = 0; i < 10; ++i)
      EXPECT_EQ(pool.submit({.retry = retry_options{.attempts = 100}}, echo, i).get(), i);
    f.wait();
  }
  expect_sums(pool.stats());
}

}  // namespace
}  // namespace muster::test
