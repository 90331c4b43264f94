// SPDX-License-Identifier: MIT
// The queue: priorities, its bound and what happens at it, and options that cannot be.
#include <atomic>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int note_and_leave(std::string log, int value) { return note(std::move(log), value); }

template <class Pool>
struct queues : testing::Test {};
TYPED_TEST_SUITE(queues, both_pools, pool_names);

TYPED_TEST(queues, serve_the_highest_priority_first_and_equals_in_order) {
  TypeParam pool(1);
  scratch files;
  std::vector<std::string> expected;
  {
    blocker busy(pool);
    const std::vector<std::pair<priority, int>> given = {
        {priority::low, 40},     {priority::normal, 30}, {7, 25},
        {priority::critical, 0}, {priority::high, 10},   {7, 26},
        {-2'000'000'000, 90},    {priority::normal, 31}, {2'000'000'000, -1},
        {priority::high, 11},    {priority::low, 41},    {priority::critical, 1}};
    for (const auto& [level, label] : given)
      pool.post({.priority = level}, note_and_leave, files("log"), label);
  }
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")),
            (std::vector<std::string>{"-1", "0", "1", "10", "11", "25", "26", "30", "31", "40", "41", "90"}));
}

TYPED_TEST(queues, serve_equals_first_come_first_served) {
  TypeParam pool(1);
  scratch files;
  std::vector<std::string> expected;
  {
    blocker busy(pool);
    for (int i = 0; i < 300; ++i) {
      pool.post(note_and_leave, files("log"), i);
      expected.push_back(std::to_string(i));
    }
  }
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")), expected);
}

// A worker process holds calls ahead of the one it runs: an urgent one still goes before them.
TYPED_TEST(queues, let_an_urgent_task_pass_tasks_that_were_already_placed) {
  for (const auto how : {strategy::pull, strategy::fewest, strategy::round_robin}) {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .strategy = how});
    for (int i = 0; i < 500; ++i) (void)pool.submit(echo, i).wait_for(0ns);
    pool.wait_idle();
    scratch files;
    {
      blocker busy(pool);
      for (int i = 0; i < 50; ++i) pool.post(note_and_leave, files("log"), i);
      pool.post({.priority = priority::high}, note_and_leave, files("log"), 1'000);
    }
    pool.wait_idle();
    const auto lines = lines_of(files("log"));
    ASSERT_EQ(lines.size(), 51U);
    EXPECT_EQ(lines[0], "1000");
    for (int i = 0; i < 50; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i) + 1], std::to_string(i));
  }
}

TYPED_TEST(queues, refuse_at_once_when_full_and_told_to) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 3, .when_full = when_full::reject}});
  std::vector<future<int>> in;
  {
    blocker busy(pool);
    for (int i = 0; i < 3; ++i) in.push_back(pool.submit(echo, i));
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 9); }), error_code::queue_full);
    EXPECT_EQ(code_of([&] { pool.post(echo, 9); }), error_code::queue_full);
    const stats s = pool.stats();
    EXPECT_EQ(s.rejected, 2U);
    EXPECT_EQ(s.submitted, 4U);
    expect_sums(s);
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(in[static_cast<std::size_t>(i)].get(), i);
  pool.wait_idle();
  EXPECT_EQ(pool.submit(echo, 4).get(), 4);
  EXPECT_LE(pool.stats().peak_queued, 3U);
}

TYPED_TEST(queues, let_submitters_wait_and_serve_them_in_order) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1}});
  scratch files;
  std::vector<std::thread> submitters;
  {
    blocker busy(pool);
    pool.post(note_and_leave, files("log"), 0);
    for (int i = 1; i <= 5; ++i) {
      std::atomic<int> tid = 0;
      submitters.emplace_back([&pool, &files, &tid, i] {
        tid = ::gettid();
        pool.post(note_and_leave, files("log"), i);
      });
      // It waits once it sleeps: only then comes the next.
      ASSERT_TRUE(eventually([&] {
        if (tid == 0) return false;
        std::ifstream stat("/proc/self/task/" + std::to_string(tid) + "/stat");
        std::string text;
        std::getline(stat, text);
        const auto after = text.rfind(')');
        return after != std::string::npos && text.size() > after + 2 && text[after + 2] == 'S';
      }));
    }
  }
  for (auto& t : submitters) t.join();
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")), (std::vector<std::string>{"0", "1", "2", "3", "4", "5"}));
  EXPECT_EQ(pool.stats().peak_queued, 1U);
}

TYPED_TEST(queues, end_a_submitters_wait_after_its_patience) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .patience = 50ms}});
  blocker busy(pool);
  auto in = pool.submit(echo, 1);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 2); }), error_code::enqueue_timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 50ms);
  EXPECT_EQ(pool.stats().rejected, 1U);
}

TYPED_TEST(queues, turn_a_waiting_submitter_away_when_the_pool_stops) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1}});
  std::optional<error_code> how;
  std::optional<future<int>> in;
  std::thread submitter, stopper;
  {
    blocker busy(pool);
    in = pool.submit(echo, 1);
    submitter = std::thread([&] { how = code_of([&] { (void)pool.submit(echo, 2); }); });
    stopper = std::thread([&] { pool.stop(watchdog); });
    submitter.join();
  }
  stopper.join();
  EXPECT_EQ(how, error_code::pool_stopped);
  EXPECT_EQ(in->get(), 1);
}

TYPED_TEST(queues, hold_any_number_when_that_is_asked_for) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = std::nullopt}});
  std::vector<future<int>> all;
  {
    blocker busy(pool);
    for (int i = 0; i < 20'000; ++i) all.push_back(pool.submit(echo, i));
  }
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TYPED_TEST(queues, of_impossible_options_every_one_is_named_with_value_and_range) {
  options_of<TypeParam> bad{.workers = {-3, 5'000, 0s},
                            .queue = {.capacity = 3'000'000'000, .patience = -1ms}};
  bad.retry.attempts = 0;
  bad.retry.backoff = {.first = 2s, .max = 1s};
  bad.grace = -1ms;
  bad.close.patience = -1s;
  try {
    TypeParam pool(bad);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part :
         {"workers.min = -3", "workers.max = 5000", "workers.idle_timeout", "queue.capacity = 3000000000",
          "queue.patience", "retry.attempts = 0", "retry.backoff.max", "grace", "close.patience", "0..4096",
          "1..4096", "0..2^31", "1..1000"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  EXPECT_THROW(TypeParam({.workers = {4, 2}}), invalid_options);
}

TYPED_TEST(queues, a_task_that_can_run_once_only_is_refused_a_retry_with_advice_that_compiles) {
  if constexpr (!has_processes<TypeParam>) {  // where arguments are moved in
    thread_pool pool(thread_options{.workers = {1}, .retry = {.attempts = 2}});
    const auto value_of = [](std::unique_ptr<int> value) { return *value; };
    try {
      (void)pool.submit(value_of, std::make_unique<int>(1));
      FAIL();
    } catch (const invalid_options& e) {
      const std::string text = e.what();
      EXPECT_NE(text.find(".retry = muster::retry_options{.attempts = 1}"), std::string::npos) << text;
    }
    EXPECT_EQ(pool.submit({.retry = muster::retry_options{.attempts = 1}}, value_of, std::make_unique<int>(1))
                  .get(),
              1);
  }
}

TYPED_TEST(queues, a_task_with_impossible_options_is_refused_with_every_one_named) {
  TypeParam pool(1);
  try {
    (void)pool.submit({.queue_timeout = -1ms,
                       .run_timeout = 0ms,
                       .deadline = -5s,
                       .retry = retry_options{.attempts = 2'000}},
                      echo, 1);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part : {"queue_timeout", "run_timeout", "deadline", "attempts = 2000"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(queues_of_threads, run_the_task_in_its_submitter_when_full_and_told_to) {
  thread_pool pool(
      thread_options{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::caller_runs}});
  blocker busy(pool);
  auto queued = pool.submit([] { return std::this_thread::get_id(); });
  auto here = pool.submit([] { return std::this_thread::get_id(); });
  EXPECT_TRUE(here.ready());
  EXPECT_EQ(here.get(), std::this_thread::get_id());
  auto throws = pool.submit([] { throw std::out_of_range("x"); });
  EXPECT_THROW(throws.get(), std::out_of_range);
  auto too_late = pool.submit({.run_timeout = 1ms}, [](std::stop_token stop) {
    EXPECT_TRUE(eventually([&] { return stop.stop_requested(); }));
  });
  try {
    too_late.get();
    FAIL();
  } catch (const task_timeout& e) {
    EXPECT_FALSE(e.subject().worker.has_value()) << e.what();
  }
  busy.open();
  EXPECT_NE(queued.get(), std::this_thread::get_id());
  expect_all_settled(pool, 3, 2, 0);
}

TEST(queues_of_threads, a_task_run_by_its_submitter_still_sees_its_stop_token_at_its_run_timeout) {
  thread_pool pool(
      thread_options{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::caller_runs}});
  scratch files;
  blocker busy(pool);
  auto queued = pool.submit(echo, 1);
  auto here = pool.submit({.run_timeout = 20ms}, until_stopped, files("begun"), files("seen"));
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_EQ(outcome_of(here), error_code::task_timeout);
}

TEST(queues_of_processes, refuse_caller_runs_and_limits_nobody_can_keep) {
  try {
    process_pool pool(
        process_options{.queue = {.when_full = when_full::caller_runs},
                        .limits = {.memory = 1'000,
                                   .tasks = 0,
                                   .age = -1s,
                                   .memory_soft = 2'000,
                                   .jitter = 1.5,
                                   .open_files = 3,
                                   .file_size = 1'000,
                                   .processes = 1,
                                   .cpu_time = 1ms},
                        .ready_timeout = 0s,
                        .env = {.pass = {"*", "LC_*", "A*B", ""}, .set = {{"A=B", "x"}}},
                        .cwd = "/no/such/place",
                        .faults = {{.number = 65},
                                   {.action = fault_action::exit, .number = 256},
                                   {.action = fault_action::delay},
                                   {.at = fault_step::born, .action = fault_action::exhaust_memory},
                                   {.at = fault_step::rung, .action = fault_action::drop},
                                   {.at = static_cast<fault_step>(18)}}});
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part :
         {"caller_runs", "limits.memory = 1000", "limits.tasks = 0", "limits.age = -1s",
          "limits.jitter = 1.5", "limits.memory_soft = 2000", "limits.open_files = 3",
          "limits.file_size = 1000", "limits.processes = 1", "limits.cpu_time = 1ms", "ready_timeout",
          "env.set", "/no/such/place", "faults[0].number = 65", "faults[1].number = 256", "faults[2].pause",
          "faults[4].action = drop: nothing is sent at rung", "faults[5].at = 18"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
    EXPECT_NE(text.find("env.pass = 'A*B'"), std::string::npos) << text;
    EXPECT_NE(text.find("env.pass = ''"), std::string::npos) << text;
    EXPECT_EQ(text.find("'LC_*'"), std::string::npos) << text;
    EXPECT_EQ(text.find("'*'"), std::string::npos) << text;
  }
  // A program can be "entered" by its access rights, but is no directory.
  EXPECT_EQ(code_of([] { process_pool pool(process_options{.cwd = "/bin/sh"}); }),
            error_code::invalid_options);
}

}  // namespace
}  // namespace muster::test
