// SPDX-License-Identifier: MIT
// Worker processes that end in every way, before, during and after a task: one error with the cause, nobody
// else harmed.
#include <atomic>
#include <set>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

struct ending {
  const char* name;
  int signal;
  int code;
};

class worker_ends : public testing::TestWithParam<ending> {};
INSTANTIATE_TEST_SUITE_P(by, worker_ends,
                         testing::Values(ending{"exit_0", 0, 0}, ending{"exit_3", 0, 3},
                                         ending{"sigsegv", SIGSEGV, 0}, ending{"sigkill", SIGKILL, 0},
                                         ending{"sigabrt", SIGABRT, 0}, ending{"sigbus", SIGBUS, 0},
                                         ending{"sigxcpu", SIGXCPU, 0}),
                         [](const auto& of) { return of.param.name; });

process_options quiet(int workers) {
  return {.workers = {workers}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep};
}

void expect_death(const death& how, const ending& by) {
  if (by.signal != 0) {
    EXPECT_EQ(how.signal, by.signal);
    EXPECT_FALSE(how.exit_code);
    EXPECT_EQ(how.cause, death_cause::signalled);
  } else {
    EXPECT_EQ(how.exit_code, by.code);
    EXPECT_FALSE(how.signal);
    EXPECT_EQ(how.cause, death_cause::exited);
  }
  EXPECT_GT(how.pid, 0);
}

// T8: exit code 0 and every signal are deaths. S4: exactly one error among a hundred results.
TEST_P(worker_ends, during_a_task_fails_that_task_alone_and_the_pool_is_whole_again) {
  process_pool pool(quiet(2));
  std::vector<future<int>> around;
  for (int i = 0; i < 50; ++i) around.push_back(pool.submit(echo, i));
  auto f = pool.submit({.id = "the-one"}, die, GetParam().signal, GetParam().code);
  for (int i = 50; i < 100; ++i) around.push_back(pool.submit(echo, i));
  try {
    f.get();
    FAIL();
  } catch (const unexpected_exit& e) {
    EXPECT_EQ(e.code(), error_code::unexpected_exit);
    expect_death(e.death(), GetParam());
    EXPECT_NE(e.death().last_stderr.find("last words"), std::string::npos) << e.death().last_stderr;
    EXPECT_NE(e.death().text().find("last words"), std::string::npos) << e.death().text();
    EXPECT_EQ(e.subject().task_id, "the-one");
    EXPECT_EQ(e.subject().attempt, 1);
    EXPECT_EQ(pool.stats().workers_died, 1U) << "it counts before it is told";
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(around[static_cast<std::size_t>(i)].get(), i);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  expect_all_settled(pool, 100, 1, 0);
}

// T16, T17: the worker that crashed gets no more; what follows is run by its replacement, in the same slot.
TEST_P(worker_ends, during_a_task_of_a_pool_of_one_and_the_next_ten_tasks_are_well) {
  process_pool pool(quiet(1));
  auto f = pool.submit(die, GetParam().signal, GetParam().code);
  std::vector<future<int>> next;
  for (int i = 0; i < 10; ++i) next.push_back(pool.submit(echo, i));
  EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(next[static_cast<std::size_t>(i)].get(), i);
  const auto workers = pool.stats().workers;
  ASSERT_EQ(workers.size(), 1U);
  EXPECT_EQ(workers[0].slot, 0U);
  EXPECT_EQ(workers[0].generation, 2U);
}

// T3: no strategy leaves the task pending or goes on choosing the dead worker.
TEST_P(worker_ends, during_a_task_with_every_strategy) {
  for (const auto how : {strategy::pull, strategy::fewest, strategy::round_robin}) {
    auto options = quiet(2);
    options.strategy = how;
    process_pool pool(options);
    pool.start();
    std::vector<future<int>> bad, good;
    for (int i = 0; i < 20; ++i) {
      if (i % 10 == 5) bad.push_back(pool.submit(die, GetParam().signal, GetParam().code));
      good.push_back(pool.submit(echo, i));
    }
    for (auto& f : bad) EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(good[static_cast<std::size_t>(i)].get(), i);
  }
}

TEST_P(worker_ends, after_a_task_harms_no_task) {
  process_pool pool(quiet(1));
  std::atomic<int> died = 0;
  scratch files;
  pool.on(event_kind::worker_died, [&](const event& e) {
    expect_death(*e.death, GetParam());
    ++died;
  });
  // What the task leaves behind ends the worker once it is idle.
  auto f = pool.submit(
      [](std::string gate, int signal, int code) {
        std::thread([=] {
          (void)appears(gate);
          die(signal, code);
        }).detach();
        return 1;
      },
      files("gate"), GetParam().signal, GetParam().code);
  EXPECT_EQ(f.get(), 1);
  pool.wait_idle();
  touch(files("gate"));
  EXPECT_TRUE(eventually([&] { return died == 1; }));
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

void die_as_the_environment_says() {
  const char* gate = std::getenv("TEST_GATE");
  if (!exists(gate)) die(std::atoi(std::getenv("TEST_SIGNAL")), std::atoi(std::getenv("TEST_CODE")));
}

// T40, T41: told at once with the cause, not when the ready timeout is over; and a failed start is tried
// again.
TEST_P(worker_ends, before_its_first_task_is_told_with_its_cause_and_tried_again) {
  scratch files;
  auto options = quiet(1);
  options.ready_timeout = 1h;
  options.init = die_as_the_environment_says;
  options.env.set = {{"TEST_GATE", files("gate")},
                     {"TEST_SIGNAL", std::to_string(GetParam().signal)},
                     {"TEST_CODE", std::to_string(GetParam().code)}};
  options.start = false;
  process_pool pool(options);
  std::mutex mutex;
  std::string text;
  std::atomic<int> failed = 0, recovered = 0;
  pool.on(event_kind::start_failed, [&](const event& e) {
    const std::lock_guard lock(mutex);
    text = e.text;
    ++failed;
  });
  pool.on(event_kind::recovered, [&](const event&) { ++recovered; });
  std::thread starter([&] { EXPECT_NO_THROW(pool.start()); });
  EXPECT_TRUE(eventually([&] { return failed >= 2 && pool.stats().degraded; }));
  {
    const std::lock_guard lock(mutex);
    EXPECT_NE(text.find(std::to_string(GetParam().signal != 0 ? 0 : GetParam().code)), std::string::npos);
    EXPECT_NE(text.find(GetParam().signal != 0 ? "SIG" : "exit"), std::string::npos) << text;
  }
  touch(files("gate"));
  starter.join();
  EXPECT_TRUE(eventually([&] { return recovered == 1; }));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_FALSE(pool.stats().degraded);
}

TEST(crash, a_task_that_asks_for_it_runs_again_after_a_crash_and_at_most_so_often) {
  process_pool pool(quiet(1));
  scratch files;
  const auto crash_before = [](std::string log, std::size_t good) {
    append(log, "ran");
    const auto runs = lines_of(log).size();
    if (runs < good) die(SIGKILL, 0);
    return static_cast<int>(runs);
  };
  const retry_options retry{.attempts = 3, .backoff = {.first = 1ms, .max = 1ms}};
  EXPECT_EQ(pool.submit({.retry = retry}, crash_before, files("a"), std::size_t{3}).get(), 3);
  try {
    pool.submit({.retry = retry}, crash_before, files("b"), std::size_t{9}).get();
    FAIL();
  } catch (const unexpected_exit& e) {
    EXPECT_EQ(e.subject().attempt, 3);
  }
  EXPECT_EQ(lines_of(files("b")).size(), 3U);
  // Without being asked: at most once.
  EXPECT_THROW(pool.submit(crash_before, files("c"), std::size_t{2}).get(), unexpected_exit);
  EXPECT_EQ(lines_of(files("c")).size(), 1U);
  EXPECT_EQ(pool.stats().retried, 4U);
}

// T42, T43: a worker killed between start and send, or during a large send, never makes up a result.
TEST(crash, a_worker_killed_while_idle_is_replaced_and_costs_no_task) {
  process_pool pool(quiet(1));
  for (int round = 0; round < 30; ++round) {
    const int pid = pool.submit(process_id).get();
    pool.wait_idle();
    signal_process(pid, SIGKILL);
    auto f = pool.submit(echo, round);
    const auto how = code_of([&] { EXPECT_EQ(f.get(), round); });
    // It had not claimed the call, unless the signal came late.
    EXPECT_TRUE(!how || *how == error_code::unexpected_exit);
  }
  const int pid = pool.submit(process_id).get();
  signal_process(pid, SIGKILL);
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
}

TEST(crash, a_worker_killed_while_large_arguments_are_sent_makes_up_no_result) {
  process_pool pool(quiet(1));
  const std::string large(10'000'000, 'x');
  for (int round = 0; round < 10; ++round) {
    const int pid = pool.submit(process_id).get();
    auto f = pool.submit([](std::string text) { return text.size(); }, large);
    signal_process(pid, SIGKILL);
    const auto how = code_of([&] { EXPECT_EQ(f.get(), large.size()); });
    EXPECT_TRUE(!how || *how == error_code::unexpected_exit);
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(crash, a_stopped_worker_past_its_run_timeout_is_killed) {
  auto options = quiet(1);
  options.grace = 20ms;
  process_pool pool(options);
  auto f = pool.submit({.run_timeout = 50ms}, [] { ::raise(SIGSTOP); });
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

TEST(crash, with_no_grace_a_cancel_kills_at_once) {
  auto options = quiet(1);
  options.grace = 0ns;
  process_pool pool(options);
  scratch files;
  auto f = pool.submit(deaf, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

void throw_at_first() {
  if (!exists(std::getenv("TEST_GATE"))) throw std::runtime_error("the licence is missing");
}
void never_return() {
  if (!exists(std::getenv("TEST_GATE")))
    for (;;) ::pause();
}

TEST(crash, an_init_hook_that_throws_is_named_by_start_and_tried_again) {
  scratch files;
  auto options = quiet(2);
  options.ready_timeout = base::is_sanitized ? 5s : 1s;  // start waits for so long
  options.init = throw_at_first;
  options.env.set = {{"TEST_GATE", files("gate")}};
  options.start = false;
  process_pool pool(options);
  try {
    pool.start();
    FAIL();
  } catch (const not_ready& e) {
    EXPECT_NE(std::string(e.what()).find("the licence is missing"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(pool.stats().degraded);
  auto kept = pool.submit(echo, 3);
  touch(files("gate"));
  EXPECT_EQ(kept.get(), 3);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
}

TEST(crash, an_init_hook_that_never_returns_is_killed_and_tried_again) {
  scratch files;
  auto options = quiet(1);
  options.ready_timeout = base::is_sanitized ? 2s : 300ms;
  options.init = never_return;
  options.env.set = {{"TEST_GATE", files("gate")}};
  options.start = false;
  process_pool pool(options);
  std::atomic<int> failed = 0;
  pool.on(event_kind::start_failed, [&](const event&) { ++failed; });
  EXPECT_EQ(code_of([&] { pool.start(); }), error_code::not_ready);
  EXPECT_TRUE(eventually([&] { return failed >= 1; }));
  touch(files("gate"));
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
}

TEST(crash, an_allocation_beyond_the_limit_is_out_of_memory) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory than any sensible limit";
  auto options = quiet(1);
  options.limits.memory = 256_MiB;
  process_pool pool(options);
  const auto allocate = [](std::size_t size) {
    std::vector<char> memory(size, 'm');
    return memory[size / 2];
  };
  EXPECT_EQ(pool.submit(allocate, 10_MiB).get(), 'm');
  auto f = pool.submit(allocate, 600_MiB);
  try {
    f.get();
    FAIL();
  } catch (const out_of_memory& e) {
    EXPECT_EQ(e.code(), error_code::out_of_memory);
    EXPECT_EQ(e.death().memory_limit, 256_MiB);
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_FALSE(pool.stats().memory_limit_means.empty());
}

}  // namespace
}  // namespace muster::test
