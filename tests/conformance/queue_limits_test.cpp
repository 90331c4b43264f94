// SPDX-License-Identifier: MIT
// What bounds a queue besides the count of its tasks, what makes room, keys, and a rate of starts.
#include <atomic>
#include <fstream>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int weigh(std::string text) { return static_cast<int>(text.size()); }
// Writes down that it began and that it ends, so that a log shows who ran beside whom.
int begin_and_end(std::string log, int value) {
  append(log, "+" + std::to_string(value));
  std::this_thread::yield();
  append(log, "-" + std::to_string(value));
  return value;
}
int throw_until(std::string log, std::string gate, int value) {
  append(log, std::to_string(value));
  if (!exists(gate)) throw std::runtime_error("not yet");
  return value;
}

template <class Pool>
struct queue_limits : testing::Test {};
TYPED_TEST_SUITE(queue_limits, both_pools, pool_names);

// Until so many submitters wait for room, or for their task to be taken.
template <class Pool>
bool so_many_wait(Pool& pool, std::size_t queued) {
  return eventually([&] { return pool.stats().queued == queued; });
}

TYPED_TEST(queue_limits, capacity_zero_lets_submit_return_when_a_worker_takes_the_task) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 0}});
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  std::atomic<bool> returned = false;
  std::optional<future<int>> second;
  std::thread submitter;
  {
    blocker busy(pool);
    submitter = std::thread([&] {
      second = pool.submit(echo, 2);
      returned = true;
    });
    ASSERT_TRUE(so_many_wait(pool, 1)) << "it is offered, and nobody takes it";
    EXPECT_FALSE(returned);
  }
  submitter.join();
  EXPECT_EQ(second->get(), 2);
  expect_all_settled(pool, 3, 0, 0);
}

TYPED_TEST(queue_limits, capacity_zero_ends_a_submitters_wait_as_if_the_task_had_never_come) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 0, .patience = 20ms}});
  pool.start();  // so that the first is taken within the patience
  {
    blocker busy(pool);
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 2); }), error_code::enqueue_timeout);
    EXPECT_EQ(code_of([&] { (void)pool.submit({.deadline = 1h}, echo, 2); }), error_code::enqueue_timeout);
    const stats s = pool.stats();
    EXPECT_EQ(s.queued, 0U);
    EXPECT_EQ(s.submitted, 1U);
    EXPECT_EQ(s.rejected, 2U);
  }
  expect_all_settled(pool, 1, 0, 0);
}

TYPED_TEST(queue_limits, capacity_zero_rejects_where_no_worker_is_free) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 0, .when_full = when_full::reject}});
  scratch files;
  std::optional<future<int>> in;
  const auto gets_in = [&](auto... call) {
    return eventually([&] { return !code_of([&] { in = pool.submit(call...); }).has_value(); });
  };
  ASSERT_TRUE(gets_in(hold, files("begun"), files("gate"), 1)) << "once the worker is free";
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 2); }), error_code::queue_full);
  touch(files("gate"));
  EXPECT_EQ(in->get(), 1);
  ASSERT_TRUE(gets_in(echo, 3));
  EXPECT_EQ(in->get(), 3);
}

TYPED_TEST(queue_limits, capacity_zero_turns_submitters_away_when_the_pool_stops) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 0}});
  std::optional<error_code> how;
  std::thread submitter, stopper;
  {
    blocker busy(pool);
    submitter = std::thread([&] { how = code_of([&] { (void)pool.submit(echo, 2); }); });
    ASSERT_TRUE(so_many_wait(pool, 1));
    stopper = std::thread([&] { EXPECT_FALSE(pool.stop(watchdog).forced); });
    submitter.join();
  }
  stopper.join();
  EXPECT_EQ(how, error_code::pool_stopped);
}

TYPED_TEST(queue_limits, an_automatic_capacity_is_twice_the_most_workers) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {.min = 1, .max = 3},
                            .queue = {.capacity = queue_options::automatic, .when_full = when_full::reject}});
  blocker busy(pool, 3);
  std::vector<future<int>> in;
  for (int i = 0; i < 6; ++i) in.push_back(pool.submit(echo, i));
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 9); }), error_code::queue_full);
  busy.open();
  for (auto& f : in) (void)f.get();
}

TYPED_TEST(queue_limits, bytes_are_those_of_encoded_arguments_and_those_that_were_said) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.when_full = when_full::reject, .bytes = 10'000}});
  {
    blocker busy(pool);
    auto first = pool.submit({.bytes = 6'000}, echo, 1);
    EXPECT_EQ(code_of([&] { (void)pool.submit({.bytes = 6'000}, echo, 2); }), error_code::queue_full);
    auto second = pool.submit({.bytes = 1'000}, echo, 3);
    if (has_processes<TypeParam>) {
      EXPECT_EQ(code_of([&] { (void)pool.submit(weigh, std::string(5'000, 'x')); }), error_code::queue_full);
      EXPECT_EQ(code_of([&] { (void)pool.submit(weigh, std::string(10'001, 'x')); }), error_code::queue_full);
    }
    EXPECT_EQ(code_of([&] { (void)pool.submit({.bytes = 10'001}, echo, 4); }), error_code::queue_full);
  }
  pool.wait_idle();
  EXPECT_EQ(pool.submit({.bytes = 9'900}, echo, 5).get(), 5) << "what has gone weighs nothing";
}

TYPED_TEST(queue_limits, permits_are_never_exceeded_by_producers_that_wait) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .queue = {.capacity = std::nullopt, .unsettled = 10}});
  constexpr int producers = 4, each = 500;
  std::vector<std::thread> threads;
  for (int p = 0; p < producers; ++p)
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i) pool.post(echo, i);
    });
  std::size_t most = 0;
  for (std::size_t seen = 0; seen < producers * each;) {
    const stats s = pool.stats();
    seen = s.succeeded;
    most = std::max(most, s.queued + s.running + s.waiting);
  }
  for (auto& t : threads) t.join();
  EXPECT_LE(most, 10U);
  expect_all_settled(pool, producers * each, 0, 0);
}

TYPED_TEST(queue_limits, permits_count_what_runs) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.when_full = when_full::reject, .unsettled = 2}});
  {
    blocker busy(pool);
    auto in = pool.submit(echo, 1);
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 2); }), error_code::queue_full);
    in.cancel();
    EXPECT_EQ(outcome_of(in), error_code::cancelled);
    auto instead = pool.submit(echo, 3);
  }
  pool.wait_idle();
}

TYPED_TEST(queue_limits, the_oldest_of_the_lowest_priority_makes_room_and_says_so) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 2, .when_full = when_full::drop_oldest}});
  std::atomic<int> told = 0;
  pool.on(event_kind::task_dropped, [&told](const event& e) { told += e.task != 0 && e.error ? 1 : 0; });
  std::vector<future<int>> in;
  {
    blocker busy(pool);
    in.push_back(pool.submit({.priority = priority::high}, echo, 0));
    in.push_back(pool.submit(echo, 1));
    in.push_back(pool.submit(echo, 2));                                // drops 1
    in.push_back(pool.submit({.priority = priority::high}, echo, 3));  // drops 2
    in.push_back(pool.submit(echo, 4));                                // is the least itself
    EXPECT_EQ(outcome_of(in[1]), error_code::queue_full);
    EXPECT_EQ(outcome_of(in[2]), error_code::queue_full);
    EXPECT_EQ(outcome_of(in[4]), error_code::queue_full);
  }
  EXPECT_EQ(in[0].get(), 0);
  EXPECT_EQ(in[3].get(), 3);
  EXPECT_TRUE(eventually([&] { return told == 3; }));
  expect_all_settled(pool, 3, 3, 0);
  EXPECT_EQ(pool.stats().dropped, 3U);
  EXPECT_LE(pool.stats().peak_queued, 2U);
}

TYPED_TEST(queue_limits, the_newest_is_dropped_through_its_future) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::drop_newest}});
  {
    blocker busy(pool);
    auto kept = pool.submit(echo, 1);
    auto dropped = pool.submit({.id = "late"}, echo, 2);
    EXPECT_TRUE(dropped.ready());
    try {
      (void)dropped.get();
      FAIL();
    } catch (const queue_full& e) {
      EXPECT_EQ(e.subject().task_id, "late");
    }
  }
  expect_all_settled(pool, 2, 1, 0);
}

TYPED_TEST(queue_limits, a_stop_token_ends_the_wait_for_room) {
  for (const std::size_t capacity : {std::size_t{1}, std::size_t{0}}) {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = capacity}});
    blocker busy(pool);
    std::optional<future<int>> in;
    if (capacity == 1) in = pool.submit(echo, 1);
    std::stop_source stop;
    std::optional<error_code> how;
    std::thread submitter(
        [&] { how = code_of([&] { (void)pool.submit({.stop = stop.get_token()}, echo, 2); }); });
    if (capacity == 0) {
      ASSERT_TRUE(so_many_wait(pool, 1));
    }
    stop.request_stop();
    submitter.join();
    EXPECT_EQ(how, error_code::cancelled);
    busy.open();
    if (in) {
      EXPECT_EQ(in->get(), 1);
    }
  }
}

TYPED_TEST(queue_limits, a_submit_that_finds_the_queue_full_and_the_pool_stopped_never_succeeds) {
  for (int round = 0; round < 20; ++round) {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1}});
    std::vector<std::thread> submitters;
    std::vector<future<int>> in(4);
    std::vector<std::optional<error_code>> how(4);
    for (std::size_t s = 0; s < 4; ++s)
      submitters.emplace_back([&, s] {
        while (!how[s]) how[s] = code_of([&] { in[s] = pool.submit(echo, 7); });
      });
    pool.stop(watchdog);
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 8); }), error_code::pool_stopped);
    for (auto& t : submitters) t.join();
    for (std::size_t s = 0; s < 4; ++s) {
      EXPECT_EQ(how[s], error_code::pool_stopped);
      if (in[s].valid()) {
        EXPECT_EQ(in[s].get(), 7);
      }
    }
  }
}

TYPED_TEST(queue_limits, sizes_are_told_for_each_priority) {
  TypeParam pool(1);
  {
    blocker busy(pool);
    for (const auto level : {priority::high, priority::low, priority::high})
      pool.post({.priority = level}, echo, 1);
    pool.post({.priority = priority::low, .key = "k"}, echo, 1);
    pool.post({.priority = priority::low, .key = "k"}, echo, 1);
    const stats s = pool.stats();
    // A worker process may have taken some already.
    std::size_t sum = 0;
    for (const priority_stats& each : s.queued_by_priority) sum += each.queued;
    EXPECT_EQ(sum, s.queued);
    if (!has_processes<TypeParam>) {
      ASSERT_EQ(s.queued_by_priority.size(), 2U);
      EXPECT_EQ(s.queued_by_priority[0].priority, 100);
      EXPECT_EQ(s.queued_by_priority[0].queued, 2U);
      EXPECT_EQ(s.queued_by_priority[1].priority, -100);
      EXPECT_EQ(s.queued_by_priority[1].queued, 3U);
    }
  }
  pool.wait_idle();
}

TEST(priorities, are_known_by_name) {
  EXPECT_EQ(priority_named("critical"), priority::critical);
  EXPECT_EQ(priority_named("low"), priority::low);
  try {
    (void)priority_named("urgent");
    FAIL();
  } catch (const invalid_options& e) {
    EXPECT_NE(std::string(e.what()).find("invalid priority: urgent"), std::string::npos) << e.what();
  }
}

TYPED_TEST(queue_limits, ageing_lets_a_low_task_run_while_higher_ones_keep_coming) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.ageing = 1ms}});
  std::atomic<bool> done = false;
  std::optional<future<int>> low;
  {
    blocker busy(pool);
    low = pool.submit({.priority = priority::low}, echo, 1);
    for (int i = 0; i < 50; ++i) pool.post({.priority = priority::high}, echo, 2);
  }
  std::thread flood([&] {
    while (!done) pool.post({.priority = priority::high}, echo, 3);
  });
  EXPECT_TRUE(low->wait_for(watchdog)) << "with strict priorities it would starve";
  done = true;
  flood.join();
  pool.wait_idle();
}

// --------------------------------------------------------------------------------------------------- keys

TYPED_TEST(queue_limits, tasks_of_one_key_run_one_after_the_other_in_order) {
  TypeParam pool(4);
  scratch files;
  for (int i = 0; i < 60; ++i)
    pool.post({.key = i % 2 == 0 ? "even" : "odd"}, begin_and_end, files(i % 2 == 0 ? "even" : "odd"), i);
  pool.wait_idle();
  for (const int odd : {0, 1}) {
    const auto lines = lines_of(files(odd == 0 ? "even" : "odd"));
    ASSERT_EQ(lines.size(), 60U);
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(lines[static_cast<std::size_t>(2 * i)], "+" + std::to_string(2 * i + odd));
      EXPECT_EQ(lines[static_cast<std::size_t>(2 * i + 1)], "-" + std::to_string(2 * i + odd));
    }
  }
}

TYPED_TEST(queue_limits, a_key_that_is_busy_does_not_hold_up_others) {
  TypeParam pool(2);
  scratch files;
  auto first = pool.submit({.key = "k"}, hold, files("begun"), files("gate"), 1);
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.submit({.key = "k"}, note, files("log"), i));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  EXPECT_TRUE(lines_of(files("log")).empty());
  behind[3].cancel();
  EXPECT_EQ(outcome_of(behind[3]), error_code::cancelled);
  touch(files("gate"));
  EXPECT_EQ(first.get(), 1);
  for (int i = 0; i < 20; ++i) {
    if (i == 3) continue;
    EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
  }
  EXPECT_EQ(lines_of(files("log")).size(), 19U);
}

TYPED_TEST(queue_limits, a_task_keeps_its_key_until_its_last_attempt) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {2},
                            .retry = {.attempts = 1'000,
                                      .backoff = {.first = 1ms, .max = 1ms, .jitter = jitter::none},
                                      .on_error = true}});
  scratch files;
  auto first = pool.submit({.key = "k"}, throw_until, files("log"), files("gate"), 1);
  auto second = pool.submit({.key = "k"}, throw_until, files("log"), files("gate"), 2);
  ASSERT_TRUE(eventually([&] { return lines_of(files("log")).size() >= 3; }));
  touch(files("gate"));
  EXPECT_EQ(first.get(), 1);
  EXPECT_EQ(second.get(), 2);
  const auto lines = lines_of(files("log"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "2"), 1);
  EXPECT_EQ(lines.back(), "2");
}

TYPED_TEST(queue_limits, so_many_of_a_key_run_at_once_as_it_may) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .queue = {.keys = {{"db", {.at_once = 2}}}}});
  scratch files;
  std::vector<future<int>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(pool.submit({.key = "db"}, hold, files("begun" + std::to_string(i)), files("gate"), i));
  ASSERT_TRUE(appears(files("begun0")));
  ASSERT_TRUE(appears(files("begun1")));
  EXPECT_EQ(pool.submit(echo, 5).get(), 5) << "the third worker is free for others";
  EXPECT_FALSE(exists(files("begun2")));
  touch(files("gate"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(keys_of_threads, a_task_that_waits_for_its_own_key_is_told) {
  thread_pool pool(2);
  auto outer = pool.submit({.key = "k"}, [&pool] {
    auto inner = pool.submit({.key = "k"}, [] { return 1; });
    const auto how = outcome_of(inner);
    return how;
  });
  EXPECT_EQ(outer.get(), error_code::would_deadlock);
}

TEST(keys_of_threads, a_task_that_waits_for_one_behind_others_of_its_key_runs_those_first) {
  thread_pool pool(1);
  std::vector<int> order;
  auto outer = pool.submit([&pool, &order] {
    std::vector<future<void>> inner;
    for (int i = 0; i < 3; ++i)
      inner.push_back(pool.submit({.key = "k"}, [&order, i] { order.push_back(i); }));
    inner.back().get();
    return 1;
  });
  EXPECT_EQ(outer.get(), 1);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(keys_of_processes, outlive_the_death_of_the_worker_that_had_the_task) {
  process_pool pool(2);
  auto dies = pool.submit({.key = "k"}, [] { std::abort(); });
  auto next = pool.submit({.key = "k"}, echo, 2);
  EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  EXPECT_EQ(next.get(), 2);
}

// --------------------------------------------------------------------------------------------------- rate

TYPED_TEST(queue_limits, a_rate_spaces_starts_and_runs_everything) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {2}, .queue = {.rate = rate_options{.per_second = 100, .burst = 5}}});
  const auto before = std::chrono::steady_clock::now();
  std::vector<future<int>> all;
  for (int i = 0; i < 25; ++i) all.push_back(pool.submit(echo, i));
  for (int i = 0; i < 25; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 200ms);
}

TYPED_TEST(queue_limits, a_task_that_waits_for_a_token_can_be_cancelled_expires_and_ends_with_the_pool) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .queue = {.rate = rate_options{.per_second = 0.001}}});
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  auto cancels = pool.submit(echo, 2);
  auto expires = pool.submit({.queue_timeout = 1ms}, echo, 3);
  auto stops = pool.submit(echo, 4);
  cancels.cancel();
  EXPECT_EQ(outcome_of(cancels), error_code::cancelled);
  EXPECT_EQ(outcome_of(expires), error_code::task_timeout);
  EXPECT_EQ(pool.stats().queued, 1U);
  EXPECT_TRUE(pool.stop(0s).forced);
  EXPECT_EQ(outcome_of(stops), error_code::pool_stopped);
}

TYPED_TEST(queue_limits, a_key_with_a_rate_holds_up_nobody_else) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {1},
      .queue = {.keys = {{"slow", {.at_once = 10, .rate = rate_options{.per_second = 0.001}}}}}});
  EXPECT_EQ(pool.submit({.key = "slow"}, echo, 1).get(), 1);
  auto waits = pool.submit({.key = "slow"}, echo, 2);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  EXPECT_FALSE(waits.ready());
  waits.cancel();
  EXPECT_EQ(outcome_of(waits), error_code::cancelled);
}

// --------------------------------------------------------------------------------------------------- the
// rest

TYPED_TEST(queue_limits, what_cannot_be_done_by_its_deadline_is_refused_once_runs_are_known) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.refuse_hopeless = true}});
  const auto slow = [] {
    for (const auto end = std::chrono::steady_clock::now() + 5ms; std::chrono::steady_clock::now() < end;)
      std::this_thread::yield();
    return 1;
  };
  {
    blocker busy(pool);
    pool.post(slow);
    EXPECT_EQ(code_of([&] { (void)pool.submit({.deadline = 1ms}, echo, 1).wait_for(0ns); }), std::nullopt)
        << "nothing is known yet";
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pool.submit(slow).get(), 1);
  blocker busy(pool);
  for (int i = 0; i < 200; ++i) pool.post(slow);
  EXPECT_EQ(code_of([&] { (void)pool.submit({.deadline = 50ms}, echo, 1); }), error_code::would_be_late);
  EXPECT_EQ(code_of([&] { (void)pool.submit({.deadline = 1h}, echo, 1).wait_for(0ns); }), std::nullopt);
  pool.cancel_queued();
  busy.open();
}

TYPED_TEST(queue_limits, tasks_that_are_cancelled_in_the_queue_give_their_memory_back) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer keeps what was freed";
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = std::nullopt}});
  blocker busy(pool);
  const auto resident = [] {
    std::ifstream file("/proc/self/statm");
    long total = 0, pages = 0;
    file >> total >> pages;
    return pages * ::getpagesize() / 1'024;
  };
  const auto fill_and_cancel = [&] {
    std::vector<future<int>> all;
    for (int i = 0; i < 100'000; ++i) all.push_back(pool.submit(echo, i));
    const long most = resident();
    for (auto it = all.rbegin(); it != all.rend(); ++it) it->cancel();
    return most;
  };
  (void)fill_and_cancel();
  const long before = resident();
  for (int round = 0; round < 4; ++round) (void)fill_and_cancel();
  EXPECT_EQ(pool.stats().queued, 0U);
  EXPECT_LE(resident(), before + 8'192) << "KiB: what was cancelled is used again";
}

TYPED_TEST(queue_limits, both_levels_are_served_to_the_end_when_the_pool_stops) {
  TypeParam pool(1);
  std::vector<future<int>> all;
  std::thread stopper;
  {
    blocker busy(pool);
    for (int i = 0; i < 20; ++i)
      all.push_back(pool.submit({.priority = i % 2 == 0 ? priority::high : priority::low}, echo, i));
    stopper = std::thread([&] { EXPECT_FALSE(pool.stop(watchdog).forced); });
  }
  stopper.join();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TYPED_TEST(queue_limits, of_impossible_options_every_one_is_named) {
  options_of<TypeParam> bad{};
  bad.queue = {.bytes = 0,
               .unsettled = 0,
               .ageing = 0ms,
               .rate = rate_options{.per_second = 0, .burst = 0},
               .each_key = {.at_once = 0},
               .keys = {{"", {}}, {"a", {}}, {"a", {.rate = rate_options{.per_second = 2e9}}}}};
  try {
    TypeParam pool(bad);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part :
         {"queue.bytes = 0", "queue.unsettled = 0", "queue.ageing = 0s", "queue.rate.per_second = 0",
          "queue.rate.burst = 0", "queue.each_key.at_once = 0", "queue.keys[0].first = ''",
          "queue.keys[2].first = 'a'", "queue.keys[2].second.rate.per_second"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  bad = {};
  bad.queue = {.capacity = 0, .when_full = when_full::drop_oldest, .unsettled = 5};
  EXPECT_THROW(TypeParam{bad}, invalid_options);
  TypeParam pool(1);
  EXPECT_EQ(code_of([&] { pool.post({.key = std::string(257, 'k')}, echo, 1); }),
            error_code::invalid_options);
}

}  // namespace
}  // namespace muster::test
