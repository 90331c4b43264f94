// SPDX-License-Identifier: MIT
// The life of a pool: start, idle, growing and shrinking, choosing a worker, events, stopping, destroying.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// Which worker runs this: a thread has its number in its name, a process its id.
int who() { return ::gettid(); }
int hold_who(std::string begun, std::string gate) {
  return hold(std::move(begun), std::move(gate), 0), who();
}

template <class Pool>
struct pools : testing::Test {};
TYPED_TEST_SUITE(pools, both_pools, pool_names);

TYPED_TEST(pools, made_without_start_run_nothing_until_start) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .start = false});
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::not_started);
  EXPECT_EQ(pool.stats().workers_started, 0U);
  EXPECT_EQ(pool.stats().submitted, 0U);
  pool.start();
  EXPECT_EQ(ready_workers(pool), 2U);
  const auto started = pool.stats().workers_started;
  pool.start();
  EXPECT_EQ(pool.stats().workers_started, started);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TYPED_TEST(pools, never_started_stop_and_go) {
  TypeParam pool(options_of<TypeParam>{.start = false});
  EXPECT_FALSE(pool.stop().forced);
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
}

TYPED_TEST(pools, refuse_tasks_after_stop_and_count_them) {
  TypeParam pool(1);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_FALSE(pool.stop().forced);
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
  EXPECT_EQ(code_of([&] { pool.post(nothing); }), error_code::pool_stopped);
  EXPECT_EQ(pool.stats().rejected, 2U);
  EXPECT_FALSE(pool.stop().forced);
}

TYPED_TEST(pools, of_a_fixed_size_have_at_least_one_worker) {
  EXPECT_EQ(code_of([] { TypeParam pool(0); }), error_code::invalid_options);
  EXPECT_EQ(code_of([] { TypeParam pool(-1); }), error_code::invalid_options);
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TYPED_TEST(pools, tell_the_first_failed_post_on_standard_error_when_nobody_listens) {
  const auto fail_some = [](TypeParam& pool) {
    pool.post({.id = "precious"}, [] { throw std::runtime_error("the reason\nin two lines"); });
    pool.post([] { throw std::runtime_error("another"); });
    pool.wait_idle();
  };
  testing::internal::CaptureStderr();
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .name = "careless"});
    fail_some(pool);
    EXPECT_EQ(pool.stats().failed, 2U);
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(said, "\n"), 1U) << said;
  for (const char* part :
       {"careless", "task 1 (precious)", "worker 0", "the reason in two lines", "task_failed"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " is missing in " << said;

  testing::internal::CaptureStderr();
  {
    TypeParam pool(1);
    pool.on(event_kind::worker_died, [](const event&) {});  // not what is asked for, so this silences nothing
    fail_some(pool);
  }
  EXPECT_EQ(count_of(testing::internal::GetCapturedStderr(), "\n"), 1U);

  testing::internal::CaptureStderr();
  {
    TypeParam pool(1);
    pool.on(event_kind::task_failed, [](const event&) {});
    fail_some(pool);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TYPED_TEST(pools, name_the_task_in_the_text_of_its_events) {
  std::mutex mutex;
  std::string began, failed;
  {
    TypeParam pool(1);
    pool.on([&](const event& e) {
      const std::lock_guard lock(mutex);
      if (e.kind == event_kind::task_began) began = e.text;
      if (e.kind == event_kind::task_failed) failed = e.text;
    });
    pool.submit({.id = "mine", .report = true}, echo, 1).get();
    pool.post([] { throw std::runtime_error("no luck"); });
    pool.wait_idle();
  }
  EXPECT_EQ(began, "task 1 (mine): attempt 1 began on worker 0");
  EXPECT_EQ(failed, "task 2, posted, failed on worker 0: no luck");
}

TYPED_TEST(pools, stop_finishes_everything_that_was_accepted) {
  TypeParam pool(2);
  std::vector<future<int>> all;
  for (int i = 0; i < 1'000; ++i) all.push_back(pool.submit(echo, i));
  const auto report = pool.stop(watchdog);
  EXPECT_FALSE(report.forced);
  EXPECT_EQ(report.cancelled, 0U);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(all[static_cast<std::size_t>(i)].ready());
    ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  }
  for (const auto& w : pool.stats().workers) EXPECT_EQ(w.state, worker_state::dead);
}

TYPED_TEST(pools, stop_at_its_deadline_settles_everything_and_says_so) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 20ms});
  scratch files;
  auto runs = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> queued;
  for (int i = 0; i < 20; ++i) queued.push_back(pool.submit(note, files("log"), i));
  const auto report = pool.stop(50ms);
  EXPECT_TRUE(report.forced);
  EXPECT_GE(report.cancelled, 20U);
  EXPECT_TRUE(report.stuck.empty());
  for (auto& f : queued) EXPECT_EQ(outcome_of(f), error_code::pool_stopped);
  EXPECT_TRUE(runs.ready());
  EXPECT_TRUE(lines_of(files("log")).empty());
  const stats s = pool.stats();
  EXPECT_EQ(s.queued + s.running + s.waiting, 0U);
}

TYPED_TEST(pools, stop_is_not_held_up_by_a_task_that_ignores_it) {
  scratch files;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 20ms});
  auto runs = pool.submit(deaf, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  const auto report = pool.stop(20ms);
  EXPECT_TRUE(report.forced);
  ASSERT_TRUE(runs.ready());
  if constexpr (has_processes<TypeParam>)
    EXPECT_EQ(report.killed, 1U);
  else
    EXPECT_EQ(report.stuck, std::vector<std::uint64_t>{runs.task()});
  EXPECT_EQ(outcome_of(runs), error_code::pool_stopped);
  touch(files("gate"));
}

TYPED_TEST(pools, stop_settles_a_task_that_waits_for_its_next_attempt) {
  TypeParam pool(1);
  auto f = pool.submit(
      {.retry = retry_options{.attempts = 3, .backoff = {.first = 1h, .max = 1h}, .on_error = true}},
      [] { throw std::runtime_error("again"); });
  ASSERT_TRUE(eventually([&] { return pool.stats().waiting == 1; }));
  EXPECT_TRUE(pool.stop(20ms).forced);
  EXPECT_EQ(outcome_of(f), error_code::pool_stopped);
}

TYPED_TEST(pools, a_second_stop_may_shorten_the_deadline) {
  scratch files;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 20ms});
  auto runs = pool.submit(until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  std::thread patient([&] { EXPECT_TRUE(pool.stop(24h).forced); });
  EXPECT_TRUE(eventually([&] { return code_of([&] { pool.post(nothing); }) == error_code::pool_stopped; }));
  EXPECT_TRUE(pool.stop(10ms).forced);
  patient.join();
  EXPECT_TRUE(runs.ready());
}

TYPED_TEST(pools, terminate_settles_every_future_at_once) {
  scratch files;
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .grace = 24h});
  std::vector<future<int>> all;
  for (int i = 0; i < 2; ++i)
    all.push_back(pool.submit(until_stopped, files("b" + std::to_string(i)), files("seen")));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
  for (int i = 0; i < 100; ++i) all.push_back(pool.submit(echo, i));
  EXPECT_TRUE(pool.terminate().forced);
  for (auto& f : all) ASSERT_TRUE(f.ready());
  for (std::size_t i = 2; i < all.size(); ++i) EXPECT_EQ(outcome_of(all[i]), error_code::pool_stopped);
}

TYPED_TEST(pools, every_submit_during_a_stop_is_refused_or_settles) {
  for (int round = 0; round < 5; ++round) {
    TypeParam pool(2);
    std::atomic<int> refused = 0, settled = 0;
    std::vector<std::thread> submitters;
    for (int s = 0; s < 4; ++s)
      submitters.emplace_back([&] {
        for (;;) {
          try {
            EXPECT_EQ(pool.submit(echo, 1).get(), 1);
            ++settled;
          } catch (const pool_stopped&) {
            ++refused;
            return;
          }
        }
      });
    ASSERT_TRUE(eventually([&] { return settled > 20; }));
    EXPECT_FALSE(pool.stop(watchdog).forced);
    for (auto& t : submitters) t.join();
    EXPECT_EQ(refused, 4);
    EXPECT_EQ(pool.stats().succeeded, static_cast<std::size_t>(settled));
  }
}

TYPED_TEST(pools, wait_idle_returns_after_the_last_task_and_leaves_the_pool_usable) {
  TypeParam pool(2);
  scratch files;
  pool.wait_idle();
  for (int i = 0; i < 100; ++i) pool.post(note, files("log"), i);
  pool.wait_idle();
  EXPECT_EQ(lines_of(files("log")).size(), 100U);
  {
    blocker busy(pool);
    EXPECT_FALSE(pool.wait_idle_for(5ms));
  }
  EXPECT_TRUE(pool.wait_idle_for(watchdog));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TYPED_TEST(pools, the_destructor_drains_by_default) {
  scratch files;
  {
    TypeParam pool(1);
    for (int i = 0; i < 50; ++i) pool.post(note, files("log"), i);
  }
  EXPECT_EQ(lines_of(files("log")).size(), 50U);
}

TYPED_TEST(pools, the_destructor_cancels_when_told_to) {
  scratch files;
  std::optional<future<int>> queued, runs;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .close = {.on_destroy = on_destroy::cancel}});
    runs = pool.submit(until_stopped, files("begun"), files("seen"));
    ASSERT_TRUE(appears(files("begun")));
    queued = pool.submit(note, files("log"), 1);
  }
  EXPECT_TRUE(runs->ready());
  EXPECT_EQ(outcome_of(*queued), error_code::pool_stopped);
  EXPECT_TRUE(lines_of(files("log")).empty());
}

TYPED_TEST(pools, the_destructor_names_what_is_pending_after_its_patience) {
  scratch files;
  std::optional<future<int>> runs;
  testing::internal::CaptureStderr();
  {
    TypeParam pool(
        options_of<TypeParam>{.workers = {1}, .grace = 10ms, .close = {.patience = 10ms}, .name = "hasty"});
    runs = pool.submit({.id = "the-slow-one"}, until_stopped, files("begun"), files("seen"));
    ASSERT_TRUE(appears(files("begun")));
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("hasty"), std::string::npos) << said;
  EXPECT_NE(said.find("the-slow-one"), std::string::npos) << said;
  EXPECT_TRUE(runs->ready());
}

TYPED_TEST(pools, counts_add_up_at_every_instant) {
  TypeParam pool(2);
  std::atomic<bool> done = false;
  std::thread watcher([&] {
    while (!done) expect_sums(pool.stats());
  });
  std::vector<future<int>> all;
  for (int i = 0; i < 3'000; ++i) {
    all.push_back(pool.submit(echo, i));
    if (i % 7 == 0) all.back().cancel();
  }
  for (auto& f : all) (void)outcome_of(f);
  done = true;
  watcher.join();
  const stats s = pool.stats();
  EXPECT_EQ(s.submitted, 3'000U);
  EXPECT_EQ(s.succeeded + s.cancelled, 3'000U);
}

TYPED_TEST(pools, tell_of_their_life_by_events_once_each) {
  std::mutex mutex;
  std::map<event_kind, int> seen;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {2}, .start = false});
    pool.on([&](const event& e) {
      const std::lock_guard lock(mutex);
      ++seen[e.kind];
      EXPECT_FALSE(e.text.empty()) << name(e.kind);
    });
    pool.start();
    EXPECT_EQ(pool.submit(echo, 1).get(), 1);
    pool.stop();
  }
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen[event_kind::started], 1);
  EXPECT_EQ(seen[event_kind::worker_started], 2);
  EXPECT_EQ(seen[event_kind::worker_ready], 2);
  EXPECT_EQ(seen[event_kind::worker_stopped], 2);
  EXPECT_EQ(seen[event_kind::worker_died], 0);
  EXPECT_EQ(seen[event_kind::stopped], 1);
}

TYPED_TEST(pools, a_handler_may_submit_wait_subscribe_and_ask) {
  TypeParam pool(1);
  std::atomic<int> result = 0, later = 0;
  subscription own{};
  std::atomic<bool> subscribed = false;
  own = pool.on(event_kind::task_failed, [&](const event&) {
    if (!eventually([&] { return subscribed.load(); })) return;
    pool.off(own);
    (void)pool.stats();
    pool.on(event_kind::task_failed, [&](const event&) { ++later; });
    result = pool.submit(echo, 7).get();
  });
  subscribed = true;
  pool.post([] { throw std::runtime_error("x"); });
  ASSERT_TRUE(eventually([&] { return result == 7; }));
  pool.post([] { throw std::runtime_error("y"); });
  ASSERT_TRUE(eventually([&] { return later == 1; }));
}

TYPED_TEST(pools, begin_no_handler_after_off_has_returned) {
  std::vector<std::function<void()>> due;
  std::mutex mutex;
  options_of<TypeParam> options{.workers = {1}, .start = false};
  options.callbacks = [&](std::function<void()> f) {
    const std::lock_guard lock(mutex);
    due.push_back(std::move(f));
  };
  TypeParam pool(options);
  int gone = 0, kept = 0;
  const auto first = pool.on(event_kind::worker_ready, [&](const event&) { ++gone; });
  pool.on(event_kind::worker_ready, [&](const event&) { ++kept; });
  pool.start();
  pool.wait_idle();
  pool.off(first);  // its event was sent and waits for the executor
  const std::lock_guard lock(mutex);
  for (const auto& f : due) f();
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(gone, 0);
}

TYPED_TEST(pools, run_handlers_under_no_lock_whatever_the_executor) {
  std::atomic<int> asked = 0;
  options_of<TypeParam> options{.workers = {2}, .start = false};
  options.callbacks = [](std::function<void()> work) { work(); };  // at once, wherever it is called
  TypeParam pool(options);
  pool.on([&](const event& e) {
    (void)pool.stats();
    if (e.kind == event_kind::worker_ready) pool.post(nothing);
    ++asked;
  });
  pool.start();
  EXPECT_EQ(pool.submit({.run_timeout = 24h, .report = true}, echo, 2).get(), 2);
  EXPECT_TRUE(eventually([&] { return asked >= 5; }));  // started, 2 workers started, 2 ready
  (void)pool.stop();
}

TYPED_TEST(pools, wait_in_off_for_a_handler_that_runs) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
  std::atomic<bool> begun = false, over = false;
  const auto slow = pool.on(event_kind::worker_ready, [&](const event&) {
    begun = true;
    begun.notify_all();
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    over = true;
  });
  pool.start();
  begun.wait(false);
  pool.off(slow);
  EXPECT_TRUE(over);
}

TYPED_TEST(pools, a_handler_that_throws_harms_nobody) {
  TypeParam pool(1);
  std::atomic<int> told = 0;
  pool.on(event_kind::task_failed, [&](const event&) {
    ++told;
    throw std::runtime_error("handler");
  });
  for (int i = 0; i < 3; ++i) pool.post([] { throw std::runtime_error("x"); });
  EXPECT_TRUE(eventually([&] { return told == 3; }));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

// T6: with no worker the first task brings one at once, and min 0 is possible.
TYPED_TEST(pools, with_no_minimum_start_a_worker_on_demand_and_shrink_to_none) {
  TypeParam pool(options_of<TypeParam>{.workers = {0, 2, 30ms}});
  pool.start();
  EXPECT_EQ(pool.stats().workers_started, 0U);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(pool.submit(echo, round).wait_for(watchdog));
    ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 0; })) << round;
  }
  EXPECT_GE(pool.stats().workers_started, 3U);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TYPED_TEST(pools, with_no_minimum_and_nothing_to_do_stop_without_starting_a_worker) {
  TypeParam pool(options_of<TypeParam>{.workers = {0, 2}});
  pool.start();
  pool.stop(watchdog);
  EXPECT_EQ(pool.stats().workers_started, 0U);
}

TYPED_TEST(pools, with_no_minimum_finish_what_is_queued_when_they_stop) {
  TypeParam pool(options_of<TypeParam>{.workers = {0, 1}});
  std::vector<future<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.submit(echo, i));
  EXPECT_FALSE(pool.stop(watchdog).forced);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TYPED_TEST(pools, grow_under_load_to_their_maximum_and_never_beyond_and_shrink_to_their_minimum) {
  std::mutex mutex;
  std::vector<std::string> scaled;  // outlives the pool, whose handler writes it until its end
  TypeParam pool(options_of<TypeParam>{.workers = {1, 3, 50ms}});
  pool.on(event_kind::scaled, [&](const event& e) {
    const std::lock_guard lock(mutex);
    scaled.push_back(e.text);
  });
  {
    blocker busy(pool, 3);  // three tasks at once: only three workers can have begun them
    for (int i = 0; i < 50; ++i) pool.post(nothing);
    EXPECT_EQ(ready_workers(pool), 3U);
    EXPECT_EQ(pool.stats().workers_started, 3U);
  }
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 1; }));
  EXPECT_EQ(pool.stats().workers_started, 3U);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return scaled.size() >= 2;
  }));
}

TYPED_TEST(pools, round_robin_spreads_tasks_over_idle_workers) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .strategy = strategy::round_robin});
  pool.start();
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 3; }));
  // A thread that has just started is not yet among those that wait for a task: all have had one.
  ASSERT_TRUE(eventually([&] {
    (void)pool.submit(who).get();
    const auto s = pool.stats();
    return std::all_of(s.workers.begin(), s.workers.end(),
                       [](const worker_stats& w) { return w.tasks_done > 0; });
  }));
  const auto all_idle = [&] {
    const auto s = pool.stats();
    return std::all_of(s.workers.begin(), s.workers.end(),
                       [](const worker_stats& w) { return w.state == worker_state::idle; });
  };
  ASSERT_TRUE(eventually(all_idle));  // who has just answered is about to be
  for (int lap = 0; lap < 3; ++lap) {
    std::set<int> seen;
    // One after the other: at each moment all three are idle.
    for (int i = 0; i < 3; ++i) {
      seen.insert(pool.submit(who).get());
      ASSERT_TRUE(eventually(all_idle));
    }
    EXPECT_EQ(seen.size(), 3U) << lap;
  }
}

TYPED_TEST(pools, fewest_gives_the_next_task_to_a_worker_that_has_none) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .strategy = strategy::fewest});
  pool.start();
  scratch files;
  auto one = pool.submit(hold_who, files("b1"), files("gate"));
  auto two = pool.submit(hold_who, files("b2"), files("gate"));
  ASSERT_TRUE(appears(files("b1")));
  ASSERT_TRUE(appears(files("b2")));
  std::set<int> third;
  for (int i = 0; i < 10; ++i) third.insert(pool.submit(who).get());
  touch(files("gate"));
  const int first = one.get(), second = two.get();
  EXPECT_NE(first, second);
  EXPECT_EQ(third.size(), 1U);
  EXPECT_FALSE(third.contains(first) || third.contains(second));
}

// T44: no task waits behind a slow one while another worker is free.
TYPED_TEST(pools, let_a_free_worker_take_what_was_placed_behind_a_slow_task) {
  for (const auto how :
       {strategy::pull, strategy::fewest, strategy::round_robin, strategy::fewest_served, strategy::weighted,
        strategy::fill, strategy::random, strategy::two_choices, strategy::key}) {
    TypeParam pool(options_of<TypeParam>{.workers = {2}, .strategy = how});
    pool.start();
    scratch files;
    std::vector<future<int>> quick;
    auto slow = pool.submit(hold, files("begun"), files("gate"), 1);
    for (int i = 0; i < 100; ++i) quick.push_back(pool.submit(echo, i));
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(quick[static_cast<std::size_t>(i)].wait_for(watchdog))
          << "strategy " << static_cast<int>(how);
    }
    EXPECT_FALSE(slow.ready());
    touch(files("gate"));
    EXPECT_EQ(slow.get(), 1);
  }
}

TYPED_TEST(pools, run_callbacks_on_the_executor_they_were_given) {
  std::atomic<int> given = 0;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .callbacks = [&](std::function<void()> work) {
                                         ++given;
                                         work();
                                       }});
  EXPECT_EQ(pool.submit(echo, 4).then([](int x) { return x + 1; }).get(), 5);
  EXPECT_GE(given, 1);
}

}  // namespace
}  // namespace muster::test
