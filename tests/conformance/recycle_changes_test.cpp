// SPDX-License-Identifier: MIT
// Worker processes that are replaced by others with changed settings, all of them or none.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

std::string directory() { return std::filesystem::current_path().string(); }
std::vector<std::string> arguments() { return worker_arguments(); }
std::string variable(std::string name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? "(none)" : value;
}
std::uint64_t most_files() {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}
int initialised_as = 0;
void as_one() { initialised_as = 1; }
void as_two() { initialised_as = 2; }
int initialised() { return initialised_as; }

TEST(changed_settings, reach_every_new_worker_and_those_that_start_later) {
  scratch files;
  process_pool pool({.workers = {2},
                     .env = {.set = {{"TEST_NAME", "old"}}},
                     .cwd = "/",
                     .args = {"--first", "two words", ""},
                     .init = as_one});
  EXPECT_EQ(pool.submit(arguments).get(), (std::vector<std::string>{"--first", "two words", ""}));
  EXPECT_TRUE(worker_arguments().empty()) << "this is no worker";
  EXPECT_EQ(pool.submit(initialised).get(), 1);
  const recycle_report report = pool.recycle({.cwd = "/proc",
                                              .args = std::vector<std::string>{"--second"},
                                              .env = environment_options{.set = {{"TEST_NAME", "new"}}},
                                              .init = as_two,
                                              .limits = limit_options{.open_files = 77}});
  EXPECT_EQ(report.why, "");
  EXPECT_EQ(report.replaced, 2U);
  EXPECT_FALSE(report.rolled_back);
  for (int generation = 0; generation < 2; ++generation) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(pool.submit(directory).get(), "/proc");
      EXPECT_EQ(pool.submit(arguments).get(), (std::vector<std::string>{"--second"}));
      EXPECT_EQ(pool.submit(variable, "TEST_NAME").get(), "new");
      EXPECT_EQ(pool.submit(initialised).get(), 2);
      EXPECT_EQ(pool.submit(most_files).get(), 77U);
    }
    for (int i = 0; i < 2; ++i) {  // and their replacements
      auto dies = pool.submit(die, SIGKILL, 0);
      EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
    }
  }
  EXPECT_EQ(pool.recycle({.cwd = "/"}).why, "");
  EXPECT_EQ(pool.submit(arguments).get(), (std::vector<std::string>{"--second"}))
      << "as it was changed before";
  EXPECT_EQ(pool.submit(directory).get(), "/");
}

void fails() { throw std::runtime_error("as the canary says"); }
void hangs() {
  for (;;) ::pause();
}
void ends() { std::_Exit(3); }
void fails_for_the_second() {
  const std::string log = std::getenv("TEST_LOG");
  append(log, "canary");
  if (lines_of(log).size() == 2) throw std::runtime_error("as the canary says");
}

// Which settings answer: of many calls.
std::set<std::string> names(process_pool& pool) {
  std::vector<future<std::string>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(pool.submit(variable, "TEST_NAME"));
  std::set<std::string> seen;
  for (auto& call : calls) seen.insert(call.get());
  return seen;
}

process_options named_old(int workers) {
  return {.workers = {workers},
          .ready_timeout = 500ms * (base::is_sanitized ? 20 : 1),
          .env = {.set = {{"TEST_NAME", "old"}}},
          .worker_stderr = worker_stderr::keep};
}
worker_changes to_new() { return {.env = environment_options{.set = {{"TEST_NAME", "new"}}}}; }

TEST(changed_settings, are_rolled_back_when_the_canary_throws_ends_or_hangs) {
  process_pool pool(named_old(2));
  pool.start();
  const std::pair<void (*)(), const char*> canaries[] = {{fails, "its canary threw: as the canary says"},
                                                         {ends, "exited with code 3"},
                                                         {hangs, "was not ready in time"}};
  for (const auto& [canary, why] : canaries) {
    const recycle_report report = pool.recycle(to_new(), {.canary = canary});
    EXPECT_TRUE(report.rolled_back);
    EXPECT_EQ(report.kept, 2U);
    EXPECT_NE(report.why.find(why), std::string::npos) << report.why;
    EXPECT_EQ(names(pool), (std::set<std::string>{"old"}));
  }
  auto dies = pool.submit(die, SIGKILL, 0);
  EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  EXPECT_EQ(names(pool), (std::set<std::string>{"old"})) << "a replacement has the old settings too";
  EXPECT_FALSE(pool.stats().degraded);
}

TEST(changed_settings, are_rolled_back_when_a_later_worker_fails_and_the_first_is_replaced_again) {
  scratch files;
  process_options options = named_old(2);
  options.env.set.emplace_back("TEST_LOG", files("log"));
  process_pool pool(options);
  pool.start();
  worker_changes changes = to_new();
  changes.env->set.emplace_back("TEST_LOG", files("log"));
  const recycle_report report = pool.recycle(changes, {.canary = fails_for_the_second});
  EXPECT_TRUE(report.rolled_back);
  EXPECT_EQ(report.replaced, 1U);
  EXPECT_EQ(report.kept, 1U);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled == 2; }));
  EXPECT_TRUE(eventually([&] { return names(pool) == std::set<std::string>{"old"}; }));
  EXPECT_EQ(lines_of(files("log")).size(), 2U) << "who came back to the old settings needs no canary";
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

TEST(changed_settings, run_the_canary_in_the_new_workers_of_that_call_only) {
  scratch files;
  process_options options = named_old(1);
  options.env.set.emplace_back("TEST_LOG", files("log"));
  process_pool pool(options);
  pool.start();
  const recycle_options tried{.canary = [] { append(std::getenv("TEST_LOG"), "canary"); }};
  EXPECT_EQ(pool.recycle(tried).replaced, 1U) << "also where nothing changes";
  EXPECT_EQ(lines_of(files("log")).size(), 1U);
  EXPECT_EQ(pool.recycle().replaced, 1U);
  auto dies = pool.submit(die, SIGKILL, 0);
  EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_EQ(lines_of(files("log")).size(), 1U);
  EXPECT_EQ(names(pool), (std::set<std::string>{"old"}));
}

TEST(changed_settings, of_one_worker_are_tried_by_its_canary) {
  process_pool pool(named_old(2));
  pool.start();
  const recycle_report failed = pool.recycle(0, {.canary = fails});
  EXPECT_TRUE(failed.rolled_back);
  EXPECT_EQ(failed.kept, 1U);
  EXPECT_EQ(pool.recycle(1, {.canary = [] {}}).replaced, 1U);
  EXPECT_EQ(names(pool), (std::set<std::string>{"old"}));
  EXPECT_NE(pool.recycle(99, {.canary = [] {}}).why, "");
  EXPECT_EQ(pool.recycle(to_new()).replaced, 2U) << "and the next change works";
  EXPECT_EQ(names(pool), (std::set<std::string>{"new"}));
}

TEST(changed_settings, that_cannot_be_are_refused_with_every_one_named_and_nothing_happens) {
  process_pool pool({.workers = {1}, .limits = {.tasks = 1'000}});
  pool.start();
  try {
    (void)pool.recycle({.cwd = "/no/such/directory",
                        .env = environment_options{.pass = {"A=B"}},
                        .limits = limit_options{.memory = 1, .tasks = 5, .jitter = 0.5}});
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part : {"cwd = /no/such/directory", "env.pass", "limits.memory = 1", "limits.tasks = 5",
                             "limits.jitter = 0.5"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  EXPECT_EQ(pool.stats().workers_started, 1U);
  process_pool stopped({.workers = {1}});
  stopped.stop();
  EXPECT_EQ(code_of([&] { (void)stopped.recycle(to_new()); }), error_code::pool_stopped);
}

TEST(changed_settings, ten_times_under_load_with_every_third_canary_failing_cost_no_call) {
  process_options options = named_old(2);
  options.queue = {.capacity = 100'000, .when_full = when_full::reject};
  process_pool pool(options);
  pool.start();
  std::atomic<int> rounds_done = 0;
  std::vector<future<int>> calls;
  std::thread submitter([&] {
    for (int i = 0; i < 20'000; ++i) {
      if (i % 2'000 == 0) (void)eventually([&] { return rounds_done.load() >= i / 2'000; });
      calls.push_back(pool.submit(echo, i));
    }
  });
  std::string now = "old";
  for (int round = 0; round < 10; ++round) {
    const bool broken = round % 3 == 2;
    const std::string wanted = "round " + std::to_string(round);
    const recycle_report report = pool.recycle({.env = environment_options{.set = {{"TEST_NAME", wanted}}}},
                                               {.canary = broken ? init_function(fails) : init_function()});
    EXPECT_EQ(report.rolled_back, broken) << report.why;
    if (!broken) now = wanted;
    EXPECT_EQ(names(pool), (std::set<std::string>{now}));
    ++rounds_done;
  }
  submitter.join();
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  const stats s = pool.stats();
  EXPECT_EQ(s.rejected, 0U);
  EXPECT_EQ(s.failed, 0U);
  EXPECT_EQ(s.late, 0U);
  EXPECT_EQ(s.workers_recycled, 14U);
}

}  // namespace
}  // namespace muster::test
