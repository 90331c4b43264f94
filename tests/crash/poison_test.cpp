// SPDX-License-Identifier: MIT
// Tasks under which worker processes die: found, blamed and set aside; and workers that die for another
// reason, for which nobody is blamed.
#include <csignal>
#include <mutex>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

void die(int signal) { ::raise(signal); }
int dies_before(std::string log, int run, int signal) {
  append(log, "ran");
  const auto runs = static_cast<int>(lines_of(log).size());
  if (runs < run) ::raise(signal);
  return runs;
}

process_options careful(int workers) {
  return {.workers = {workers},
          .retry = {.attempts = 100, .backoff = {.first = 1ms, .max = 1ms}},
          .quarantine = quarantine_options{.deaths = 3, .mass_within = 50ms},
          .worker_stderr = worker_stderr::keep};
}

// T9
TEST(poison, is_set_aside_after_three_deaths_and_what_waits_behind_it_runs) {
  process_pool pool(careful(2));
  auto poison = pool.submit({.id = "poison"}, die, SIGSEGV);
  std::vector<future<int>> good;
  for (int i = 0; i < 200; ++i) good.push_back(pool.submit(echo, i));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(good[static_cast<std::size_t>(i)].get(), i);
  try {
    poison.get();
    FAIL();
  } catch (const quarantined& e) {
    EXPECT_EQ(e.code(), error_code::quarantined);
    EXPECT_EQ(e.subject().attempt, 3);
    EXPECT_EQ(e.death().signal, SIGSEGV);
  }
  EXPECT_EQ(pool.stats().workers_died, 3u);
  EXPECT_EQ(pool.stats().quarantined, 1u);
  EXPECT_EQ(code_of([&] { (void)pool.submit({.id = "poison"}, echo, 1); }), error_code::quarantined);
  EXPECT_EQ(pool.submit({.id = "cure"}, echo, 1).get(), 1);
}

// S111
TEST(poison, with_attempts_of_its_own_runs_as_often_as_those_say) {
  process_pool pool(careful(1));
  scratch files;
  const retry_options own{.attempts = 6, .backoff = {.first = 1ms, .max = 1ms}};
  EXPECT_EQ(pool.submit({.retry = own}, dies_before, files("log"), 6, SIGSEGV).get(), 6);
  EXPECT_EQ(pool.stats().quarantined, 0u);
}

// R18: the kernel does not say who sends a SIGKILL.
TEST(poison, is_nobody_when_all_workers_are_killed_at_once) {
  process_options options = careful(3);
  options.quarantine->deaths = 1;
  options.quarantine->mass_within = 3s;
  process_pool pool(options);
  scratch files;
  std::vector<future<int>> held;
  for (int i = 0; i < 3; ++i)
    held.push_back(pool.submit(hold, files("begun" + std::to_string(i)), files("gate"), i));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(appears(files("begun" + std::to_string(i))));
  for (const auto& w : pool.stats().workers) signal_process(w.pid, SIGKILL);
  touch(files("gate"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(held[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(pool.stats().quarantined, 0u);
}

TEST(poison, is_not_a_task_whose_worker_another_process_has_ended) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer takes the signal and does not say who sent it";
  process_options options = careful(1);
  options.quarantine->deaths = 1;
  process_pool pool(options);
  scratch files;
  auto held = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  signal_process(pool.stats().workers.at(0).pid, SIGSEGV);  // of those that say who sent them
  touch(files("gate"));
  EXPECT_EQ(held.get(), 7);
}

TEST(poison, becomes_a_dead_letter_that_runs_again_when_it_is_wanted) {
  process_options options = careful(1);
  options.dead_letters = 5;
  process_pool pool(options);
  scratch files;
  auto f = pool.submit({.id = "job"}, dies_before, files("log"), 4, SIGABRT);
  EXPECT_EQ(outcome_of(f), error_code::quarantined);
  const auto letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].why, dead_letter::reason::quarantined);
  EXPECT_EQ(pool.resubmit<int>(letters[0].task).get(), 4) << "its id is not refused any more";
}

// S116, T30
TEST(poison, in_every_slot_leaves_a_degraded_pool_that_recovers_by_itself) {
  std::mutex mutex;  // these outlive the pool, which tells of its end too
  std::vector<event_kind> seen;
  std::set<unsigned> failed;
  process_options options{.workers = {2}, .worker_stderr = worker_stderr::keep};
  options.restart = {.limit = 1, .window = 1h, .cool_down = 200ms};
  process_pool pool(options);
  pool.on([&](const event& e) {
    const std::lock_guard lock(mutex);
    seen.push_back(e.kind);
    if (e.kind == event_kind::worker_failed) failed.insert(e.worker.value());
  });
  pool.on(event_kind::degraded, [](const event&) {});
  for (int i = 0; i < 4; ++i) {
    auto f = pool.submit(die, SIGKILL);
    EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
  }
  EXPECT_EQ(pool.submit({.deadline = watchdog}, echo, 1).get(), 1) << "it waits until a slot is tried again";
  EXPECT_TRUE(eventually([&] { return !pool.stats().degraded; }));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !failed.empty() && std::ranges::count(seen, event_kind::recovered) > 0;
  }));
}

// T8
TEST(poison, of_every_kind_costs_its_task_and_no_capacity) {
  process_pool pool(process_options{.workers = {1}, .worker_stderr = worker_stderr::keep});
  for (const int signal : {SIGKILL, SIGSEGV, SIGABRT, SIGXCPU, SIGBUS}) {
    auto f = pool.submit(die, signal);
    EXPECT_EQ(outcome_of(f), error_code::unexpected_exit) << signal;
    EXPECT_EQ(pool.submit(echo, signal).get(), signal);
  }
  auto f = pool.submit([] { ::_exit(0); });
  EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
  EXPECT_EQ(pool.submit(echo, 0).get(), 0);
}

}  // namespace
}  // namespace muster::test
