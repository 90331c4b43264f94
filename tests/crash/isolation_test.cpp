// SPDX-License-Identifier: MIT
// What a worker process has of its owner, at each level of isolation, and workers that serve one task.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

process_pool pool_at(isolation level) {
  return process_pool(process_options{.workers = {1}, .isolation = level});
}
constexpr std::array levels = {isolation::none, isolation::contain};

int no_new_privileges() { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }

TEST(isolation, keeps_privileges_from_being_gained_unless_there_is_none) {
  EXPECT_EQ(pool_at(isolation::contain).submit(no_new_privileges).get(), 1);
  EXPECT_EQ(pool_at(isolation::none).submit(no_new_privileges).get(), no_new_privileges());
}

std::string variable(std::string name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? "(none)" : value;
}

TEST(isolation, passes_listed_variables_on_and_all_where_there_is_none) {
  const std::string unlisted = "MUSTER_TEST_SURROUNDINGS";  // set by these tests' main before muster::init
  ASSERT_EQ(variable(unlisted), "yes");
  EXPECT_EQ(pool_at(isolation::contain).submit(variable, unlisted).get(), "(none)");
  process_pool open({.workers = {1},
                     .isolation = isolation::none,
                     .env = {.set = {{"TEST_ADDED", "1"}, {"HOME", "/elsewhere"}}}});
  EXPECT_EQ(open.submit(variable, unlisted).get(), "yes");
  EXPECT_EQ(open.submit(variable, "TEST_ADDED").get(), "1");
  EXPECT_EQ(open.submit(variable, "HOME").get(), "/elsewhere") << "what is set wins";
}

std::vector<std::uint64_t> core_limits() {
  rlimit core = {};
  ::getrlimit(RLIMIT_CORE, &core);
  return {core.rlim_cur, core.rlim_max};
}

TEST(isolation, turns_core_dumps_off_unless_there_is_none) {
  EXPECT_EQ(pool_at(isolation::contain).submit(core_limits).get(), (std::vector<std::uint64_t>{0, 0}));
  EXPECT_EQ(pool_at(isolation::none).submit(core_limits).get(), core_limits());
}

// What it reads from standard input: bytes, or -1.
int bytes_of_input() {
  char byte = 0;
  return static_cast<int>(::read(STDIN_FILENO, &byte, 1));
}
// Its descriptors beyond those that every worker has.
int further_descriptors() {
  int count = 0;
  for (int descriptor = 8; descriptor < 4'096; ++descriptor) count += ::fcntl(descriptor, F_GETFD) >= 0;
  return count;
}
bool leads_its_group() { return ::getpgrp() == ::getpid(); }
int signal_when_the_zygote_dies() {
  int signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &signal);
  return signal;
}

TEST(isolation, at_each_level_gives_an_empty_input_no_descriptors_a_group_and_an_end_with_the_owner) {
  const int of_the_owner = ::open("/dev/null", O_RDONLY);  // without close-on-exec
  for (const isolation level : levels) {
    process_pool pool = pool_at(level);
    EXPECT_EQ(pool.submit(bytes_of_input).get(), 0);
    EXPECT_EQ(pool.submit(further_descriptors).get(), 0);
    EXPECT_TRUE(pool.submit(leads_its_group).get());
    EXPECT_EQ(pool.submit(signal_when_the_zygote_dies).get(), SIGKILL);
  }
  ::close(of_the_owner);
}

// A process that would go on for ever.
int leave_a_process_behind() {
  const int pid = ::fork();
  if (pid != 0) return pid;
  for (;;) ::pause();
}

TEST(isolation, at_each_level_takes_what_a_worker_started_with_it) {
  for (const isolation level : levels) {
    int left = 0;
    {
      process_pool pool = pool_at(level);
      left = pool.submit(leave_a_process_behind).get();
      ASSERT_TRUE(lives(left));
    }
    EXPECT_TRUE(eventually([&] { return !lives(left); }));
  }
}

TEST(isolation, and_lifetime_with_options_that_contradict_them_are_refused_with_every_one_named) {
  try {
    process_pool pool({.limits = {.tasks = 5, .memory_soft = 64_MiB},
                       .isolation = isolation::none,
                       .lifetime = lifetime::per_task,
                       .env = {.pass = {"PATH"}}});
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part : {"limits.tasks = 5", "limits.memory_soft = ", "env.pass = 1 names"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  process_options unknown{.isolation = static_cast<isolation>(9), .lifetime = static_cast<lifetime>(9)};
  try {
    process_pool pool(unknown);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("isolation = 9"), std::string::npos) << text;
    EXPECT_NE(text.find("lifetime = 9"), std::string::npos) << text;
  }
}

// -----------------------------------------------------------------------------------------------------------
// one task a worker

process_options one_task(worker_options workers) {
  return {.workers = workers, .lifetime = lifetime::per_task};
}

TEST(per_task, every_task_runs_in_a_process_of_its_own) {
  process_pool pool(one_task({2}));
  std::vector<future<int>> calls;
  for (int i = 0; i < 60; ++i) calls.push_back(pool.submit(process_id));
  std::set<int> pids;
  for (auto& call : calls) pids.insert(call.get());
  EXPECT_EQ(pids.size(), 60U);
  expect_all_settled(pool, 60, 0, 0);
  EXPECT_EQ(pool.stats().workers_died, 0U);
  EXPECT_FALSE(pool.stats().degraded);
  pool.stop();
  for (const int pid : pids) EXPECT_FALSE(lives(pid));
}

// How many tasks run at this moment, by the files they make.
int count_running(std::string directory) {
  const std::string mine = directory + "/" + std::to_string(::getpid());
  touch(mine);
  int most = 0;
  for (int look = 0; look < 20; ++look) {
    most = std::max(most, static_cast<int>(entries_in(directory)));
    ::usleep(100);
  }
  ::unlink(mine.c_str());
  return most;
}

TEST(per_task, no_more_tasks_run_at_once_than_max_though_more_processes_are_ready) {
  scratch files;
  ASSERT_TRUE(std::filesystem::create_directory(files("running")));
  process_pool pool(one_task({2}));
  for (int running : pool.map(count_running, std::vector<std::string>(40, files("running"))))
    EXPECT_LE(running, 2);
}

TEST(per_task, the_next_worker_is_ready_while_a_task_runs) {
  scratch files;
  process_pool pool(one_task({1}));
  auto held = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  int next = 0;
  EXPECT_TRUE(eventually([&] {
    for (const worker_stats& w : pool.stats().workers)
      if (w.state == worker_state::idle && w.pid != 0) next = w.pid;
    return next != 0;
  }));
  auto after = pool.submit(process_id);
  EXPECT_EQ(pool.stats().queued, 1U) << "it waits, since one task runs";
  touch(files("gate"));
  EXPECT_EQ(held.get(), 7);
  EXPECT_EQ(after.get(), next);
}

int log_and_die_once(context& about, std::string log) {
  append(log, std::to_string(::getpid()));
  if (about.attempt() == 1) ::raise(SIGKILL);
  return about.attempt();
}

TEST(per_task, another_attempt_is_in_another_process) {
  scratch files;
  process_options options = one_task({1});
  options.retry = {.attempts = 2, .backoff = {.first = 1ms}};
  process_pool pool(options);
  EXPECT_EQ(pool.submit(log_and_die_once, files("log")).get(), 2);
  const auto pids = lines_of(files("log"));
  ASSERT_EQ(pids.size(), 2U);
  EXPECT_NE(pids[0], pids[1]);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(per_task, a_cancelled_task_that_waits_costs_no_worker_and_a_running_one_costs_its_own) {
  scratch files;
  process_pool pool(one_task({1}));
  auto runs = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  auto waits = pool.submit(echo, 1);
  waits.cancel();
  EXPECT_EQ(outcome_of(waits), error_code::cancelled);
  runs.cancel();
  EXPECT_EQ(runs.get(), 1) << "told, it answered";
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

TEST(per_task, without_a_minimum_a_burst_is_served_and_all_processes_go) {
  process_options options = one_task({.min = 0, .max = 3, .idle_timeout = 50ms});
  process_pool pool(options);
  std::set<int> pids;
  for (int round = 0; round < 3; ++round) {
    std::vector<future<int>> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(pool.submit(process_id));
    for (auto& call : calls) pids.insert(call.get());
    EXPECT_TRUE(eventually([&] {
      const auto workers = pool.stats().workers;
      return std::ranges::all_of(workers, [](const auto& w) { return w.state == worker_state::dead; });
    }));
  }
  EXPECT_EQ(pids.size(), 30U);
}

}  // namespace
}  // namespace muster::test
