// SPDX-License-Identifier: MIT
// Times, counts, reports, metrics and the lines a pool logs about itself. One text for both kinds of pool.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int take_a_moment(std::string tag, int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (std::chrono::steady_clock::now() < end) ::usleep(500);
  return static_cast<int>(tag.size());
}
int fail(std::string why) { throw std::runtime_error(why); }

// What was told to somebody, in order.
class notebook {
public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::ptrdiff_t count(const std::string& line) {
    const std::lock_guard lock(mutex_);
    return std::ranges::count(lines_, line);
  }
  bool has(const std::string& part) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(lines_, [&](const auto& l) { return l.find(part) != std::string::npos; });
  }

private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

template <class Pool>
struct watching : testing::Test {};
TYPED_TEST_SUITE(watching, both_pools, pool_names);

// ------------------------------------------------------------------------------------------------ times

// T14: an average that begins at submit would be about 55 here.
TYPED_TEST(watching, tells_how_long_tasks_ran_apart_from_how_long_they_waited) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .measure = {.one_in = 1}});
  std::vector<future<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.submit(take_a_moment, "x", 10));
  for (auto& f : all) f.get();
  pool.wait_idle();
  ASSERT_TRUE(eventually([&] { return pool.stats().attempts == 10; }));
  const stats s = pool.stats();
  EXPECT_GE(s.average_run_time(), 10ms);
  EXPECT_GE(s.processing_time, 100ms);
  EXPECT_EQ(s.ran.count, 10U);
  EXPECT_GE(s.ran.p50, 10ms);
  EXPECT_EQ(s.waited.count, 10U);
  // The last waited for nine others, which an average from submit on would count as running.
  EXPECT_GE(s.waited.max, 90ms);
  EXPECT_GE(s.waited.max, s.waited.p50);
  EXPECT_LT(s.average_run_time(), s.waited.max);
  EXPECT_LE(s.waited.mean, s.waited.max);
}

TYPED_TEST(watching, of_a_pool_that_measures_nothing_still_has_its_averages) {
  TypeParam pool(1);
  EXPECT_EQ(pool.stats().average_run_time().count(), 0);
  EXPECT_EQ(pool.stats().success_rate(), 0.0);
  EXPECT_EQ(pool.stats().utilization(), 0.0);
  pool.submit(take_a_moment, "x", 5).get();
  ASSERT_TRUE(eventually([&] { return pool.stats().processing_time >= 5ms && pool.stats().attempts == 1; }));
  const stats s = pool.stats();
  EXPECT_EQ(s.ran.count, 0U);
  EXPECT_EQ(s.waited.count, 0U);
  EXPECT_GE(s.average_run_time(), 5ms);
  EXPECT_EQ(s.success_rate(), 100.0);
}

TYPED_TEST(watching, of_one_task_in_ten_measures_one_in_ten) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .measure = {.one_in = 10}});
  for (int i = 0; i < 100; ++i) pool.post(nothing);
  pool.wait_idle();
  ASSERT_TRUE(eventually([&] { return pool.stats().ran.count == 10; }));
  EXPECT_EQ(pool.stats().waited.count, 10U);
  EXPECT_EQ(pool.stats().succeeded, 100U);
}

TYPED_TEST(watching, does_not_give_reports_of_tasks_that_asked_for_none) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .measure = {.one_in = 1}});
  auto plain = pool.submit(echo, 1);
  EXPECT_EQ(plain.report(), std::nullopt);
  auto asked = pool.submit({.report = true}, echo, 1);
  EXPECT_TRUE(asked.report().has_value());
}

TYPED_TEST(watching, counts_each_attempt_as_a_run_and_the_wait_of_a_task_once) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .measure = {.one_in = 1}});
  auto f = pool.submit(
      {.retry =
           retry_options{.attempts = 3, .backoff = {.first = 1ms, .jitter = jitter::none}, .on_error = true}},
      fail, "x");
  EXPECT_THROW(f.get(), std::runtime_error);
  ASSERT_TRUE(eventually([&] { return pool.stats().ran.count == 3; }));
  EXPECT_EQ(pool.stats().waited.count, 1U);
  ASSERT_TRUE(eventually([&] { return pool.stats().attempts == 3; }));
  EXPECT_EQ(pool.stats().errors_by_code.at("exception"), 3U);  // two led to retries, one was the last
}

// ----------------------------------------------------------------------------------------------- counts

TYPED_TEST(watching, knows_how_many_workers_were_busy_at_once_though_nobody_looked_then) {
  TypeParam pool(3);
  ASSERT_TRUE(eventually([&] { return pool.stats().idle() == 3; }));
  EXPECT_EQ(pool.stats().peak_busy, 0U);
  {
    blocker busy(pool, 2);
    EXPECT_EQ(pool.stats().busy(), 2U);
    EXPECT_EQ(pool.stats().idle(), 1U);
    EXPECT_NEAR(pool.stats().utilization(), 2.0 / 3, 1e-9);
  }
  ASSERT_TRUE(eventually([&] { return pool.stats().idle() == 3; }));
  EXPECT_EQ(pool.stats().peak_busy, 2U);
  const stats s = pool.stats();
  EXPECT_EQ(s.count(worker_state::starting) + s.busy() + s.idle() + s.count(worker_state::stopping) +
                s.count(worker_state::unhealthy) + s.count(worker_state::dead),
            s.workers.size());
  for (const worker_stats& w : s.workers) EXPECT_TRUE(w.idle_since.has_value());
}

TYPED_TEST(watching, counts_as_many_workers_that_ended_as_events_told_of) {
  std::atomic<std::size_t> started = 0, ended = 0;
  TypeParam pool(
      options_of<TypeParam>{.workers = {.min = 0, .max = 3, .idle_timeout = 20ms}, .start = false});
  pool.on([&](const event& e) {
    started += e.kind == event_kind::worker_started ? 1U : 0U;
    ended += e.kind == event_kind::worker_stopped || e.kind == event_kind::worker_died ? 1U : 0U;
  });
  pool.start();
  for (int round = 0; round < 3; ++round) {
    pool.submit(echo, 1).get();
    ASSERT_TRUE(eventually([&] { return pool.stats().workers_ended == pool.stats().workers_started; }));
  }
  pool.stop();
  const stats s = pool.stats();
  EXPECT_GE(s.workers_started, 3U);
  EXPECT_EQ(s.workers_started, s.workers_ended);
  EXPECT_EQ(s.workers_started, started.load());
  EXPECT_EQ(s.workers_ended, ended.load());
  EXPECT_EQ(s.attempts, 3U);  // though the workers that ran them are gone
}

// T33: what runs is no failure.
TYPED_TEST(watching, does_not_take_what_runs_or_was_cancelled_for_a_failure) {
  TypeParam pool(2);
  for (int i = 0; i < 3; ++i) pool.submit(echo, 1).get();
  EXPECT_THROW(pool.submit(fail, "x").get(), std::runtime_error);
  blocker busy(pool, 2);
  auto gone = pool.submit(echo, 1);
  gone.cancel();
  EXPECT_NEAR(pool.stats().success_rate(), 75.0, 1e-9);
}

TYPED_TEST(watching, counts_errors_by_their_code) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::reject}});
  EXPECT_THROW(pool.submit(fail, "x").get(), std::runtime_error);
  {
    blocker busy(pool);
    auto late = pool.submit({.queue_timeout = 1ms}, echo, 1);
    EXPECT_EQ(outcome_of(late), error_code::task_timeout);
    auto gone = pool.submit(echo, 1);
    EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::queue_full);
    gone.cancel();
    EXPECT_EQ(outcome_of(gone), error_code::cancelled);
  }
  pool.stop();
  EXPECT_EQ(code_of([&] { (void)pool.submit(echo, 1); }), error_code::pool_stopped);
  const std::map<std::string, std::size_t> expected = {
      {"exception", 1}, {"task_timeout", 1}, {"queue_full", 1}, {"cancelled", 1}, {"pool_stopped", 1}};
  EXPECT_EQ(pool.stats().errors_by_code, expected);
}

// ----------------------------------------------------------------------------------------------- events

TYPED_TEST(watching, hears_of_each_error_with_its_context) {
  std::mutex mutex;
  std::vector<event> heard;
  std::uint64_t number = 0;
  {
    TypeParam pool(1);
    pool.on(event_kind::error, [&](const event& e) {
      const std::lock_guard lock(mutex);
      heard.push_back(e);
    });
    auto f = pool.submit({.id = "page 3", .label = "thumbnail"}, fail, "torn");
    number = f.task();
    EXPECT_THROW(f.get(), std::runtime_error);
    pool.post(fail, "posted");
    pool.submit(echo, 1).get();
  }
  const std::lock_guard lock(mutex);
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_EQ(heard[0].task, number);
  EXPECT_EQ(heard[0].task_id, "page 3");
  EXPECT_EQ(heard[0].label, "thumbnail");
  EXPECT_EQ(heard[0].worker, 0U);
  EXPECT_NE(heard[0].text.find("torn"), std::string::npos) << heard[0].text;
  EXPECT_THROW(std::rethrow_exception(heard[0].error), std::runtime_error);
  EXPECT_NE(heard[1].text.find("posted"), std::string::npos) << heard[1].text;
}

// T34: a manager that sends `error` where nobody listens must not die of it.
TYPED_TEST(watching, that_nobody_does_harms_nobody) {
  TypeParam pool(1);
  for (int i = 0; i < 10; ++i) EXPECT_THROW(pool.submit(fail, "x").get(), std::runtime_error);
  EXPECT_EQ(pool.submit(echo, 7).get(), 7);
  EXPECT_EQ(pool.stats().errors_by_code.at("exception"), 10U);
}

TYPED_TEST(watching, hears_that_the_pool_is_told_to_stop_before_it_has) {
  notebook said;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .start = false});
    pool.on([&](const event& e) { said.add(std::string(name(e.kind))); });
    pool.start();
    pool.stop();
    pool.stop();
  }
  const auto all = said.all();
  EXPECT_EQ(std::ranges::count(all, "stopping"), 1);
  EXPECT_EQ(std::ranges::count(all, "stopped"), 1);
  EXPECT_LT(std::ranges::find(all, "stopping"), std::ranges::find(all, "stopped"));
}

// ---------------------------------------------------------------------------------------------- reports

TYPED_TEST(watching, gets_reports_at_a_pace_by_event_hook_and_sink_until_the_pool_stops) {
  struct gauge_reader final : metrics_sink {
    void gauges(std::string_view pool, const stats& now) override {
      if (pool == "watched" && now.workers_started == 1) ++seen;
    }
    std::atomic<int> seen = 0;
  };
  const auto sink = std::make_shared<gauge_reader>();
  std::atomic<int> events = 0, hooks = 0;
  TypeParam pool(options_of<TypeParam>{
      .workers = {1},
      .name = "watched",
      .report = {.every = 5ms, .hook = [&](const stats& now) { hooks += now.succeeded == 1 ? 1 : 0; }},
      .metrics = sink});
  pool.on(event_kind::health_report, [&](const event& e) {
    if (e.stats && e.text.find("workers busy") != std::string::npos) ++events;
  });
  pool.submit(echo, 1).get();
  ASSERT_TRUE(eventually([&] { return events >= 3 && hooks >= 3 && sink->seen >= 3; }));
  pool.stop();
  const int last = hooks;
  EXPECT_FALSE(eventually([&] { return hooks > last; }, 30ms));
}

TYPED_TEST(watching, is_warned_once_that_the_queue_is_backing_up) {
  std::atomic<int> warnings = 0, reports = 0;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .report = {.every = 2ms, .backing_up_at = 5}});
  pool.on(event_kind::backing_up, [&](const event&) { ++warnings; });
  pool.on(event_kind::health_report, [&](const event&) { ++reports; });
  blocker busy(pool);
  for (int i = 0; i < 40; ++i) pool.post(nothing);
  ASSERT_TRUE(eventually([&] { return warnings == 1; }));
  const int then = reports;
  ASSERT_TRUE(eventually([&] { return reports > then + 5; }));
  EXPECT_EQ(warnings, 1);
}

// ---------------------------------------------------------------------------------------------- metrics

TYPED_TEST(watching, by_a_sink_sees_the_four_calls) {
  struct writer final : metrics_sink {
    void task_started(const task_metric& t) override { said.add("started " + std::string(t.label)); }
    void task_completed(const task_metric& t, duration run) override {
      said.add("completed " + std::string(t.label) + (run >= 5ms ? " late" : " early"));
    }
    void task_failed(const task_metric& t, duration, std::string_view code) override {
      said.add("failed " + std::string(t.label) + " " + std::string(code) + " " + std::string(t.id));
    }
    void error(std::string_view code) override { said.add("error " + std::string(code)); }
    notebook said;
  };
  const auto sink = std::make_shared<writer>();
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .metrics = sink});
    pool.submit({.label = "good"}, take_a_moment, "x", 5).get();
    EXPECT_THROW(pool.submit({.id = "7", .label = "bad"}, fail, "x").get(), std::runtime_error);
  }
  const std::vector<std::string> expected = {"started good", "completed good late", "started bad",
                                             "failed bad exception 7", "error exception"};
  EXPECT_EQ(sink->said.all(), expected);
}

TYPED_TEST(watching, by_a_sink_that_throws_or_calls_back_harms_nobody) {
  struct bad final : metrics_sink {
    void task_completed(const task_metric&, duration) override {
      if (pool != nullptr) (void)pool.load()->stats();
      ++calls;
      throw std::runtime_error("a sink of a test");
    }
    std::atomic<TypeParam*> pool = nullptr;
    std::atomic<int> calls = 0;
  };
  const auto sink = std::make_shared<bad>();
  testing::internal::CaptureStderr();
  {
    TypeParam pool(options_of<TypeParam>{.workers = {2}, .metrics = sink});
    sink->pool = &pool;
    for (int i = 0; i < 10; ++i) pool.submit(echo, i).get();
    ASSERT_TRUE(eventually([&] { return sink->calls == 10; }));
    sink->pool = nullptr;
  }
  EXPECT_NE(testing::internal::GetCapturedStderr().find("a metrics sink threw: a sink of a test"),
            std::string::npos);
}

// An executor may run what it is given at once: were a lock of ours held then, this would not end.
TYPED_TEST(watching, on_an_executor_that_runs_at_once_holds_no_lock) {
  struct asks final : metrics_sink {
    void task_started(const task_metric&) override {
      if (pool != nullptr) (void)pool.load()->stats();
    }
    std::atomic<TypeParam*> pool = nullptr;
  };
  const auto sink = std::make_shared<asks>();
  {
    TypeParam pool(options_of<TypeParam>{
        .workers = {2}, .callbacks = [](const std::function<void()>& f) { f(); }, .metrics = sink});
    sink->pool = &pool;
    pool.on([&](const event&) { (void)pool.stats(); });
    for (int i = 0; i < 200; ++i) pool.post({.label = "x"}, nothing);
    EXPECT_EQ(pool.submit(echo, 1).get(), 1);
    pool.wait_idle();
    sink->pool = nullptr;
    pool.stop();
  }
}

// ---------------------------------------------------------------------------------------- lines of its own

TYPED_TEST(watching, a_scripted_run_reads_in_the_log_as_it_was) {
  notebook lines;
  options_of<TypeParam> options{.workers = {1}};
  options.retry = {.attempts = 2, .backoff = {.first = 1ms, .jitter = jitter::none}, .on_error = true};
  options.own_log = {.level = log_level::info};
  options.log = [&](const log_line& l) {
    lines.add(std::string(name(l.level)) + " " + l.event + ": " + l.text);
  };
  {
    TypeParam pool(options);
    EXPECT_THROW(pool.submit({.id = "page 3"}, fail, "torn").get(), std::runtime_error);
    pool.pause();
    pool.resume();
    pool.stop();
  }
  {
    options.workers = {.min = 1, .max = 2, .idle_timeout = 10ms};
    TypeParam pool(options);
    ASSERT_TRUE(eventually([&] { return pool.stats().idle() == 1; }));
    {
      blocker busy(pool, 2);  // the second brings another worker
    }
    ASSERT_TRUE(eventually([&] { return lines.has("from 2 to 1 workers"); }));
    pool.stop();
  }
  std::vector<std::string> said = lines.all();
  for (auto& line : said)  // what the run does not fix
    if (const auto at = line.find("workers: "); at != std::string::npos) line.resize(at + 7);
  const std::vector<std::string> expected = {
      "info started: the first workers are ready",
      "warning task_retried: task 1 (page 3) runs again after attempt 1 (1 left)",
      "error error: task 1 (page 3) failed on worker 0: torn",
      "info paused: no task begins until the pool is resumed",
      "info resumed: tasks begin again",
      "info stopping: the pool is told to stop; it finishes what was accepted",
      "info stopped: nothing of the pool is left",
      "info started: the first workers are ready",
      "info scaled: from 1 to 2 workers",
      "info scaled: from 2 to 1 workers",
      "info stopping: the pool is told to stop; it finishes what was accepted",
      "info stopped: nothing of the pool is left"};
  EXPECT_EQ(said, expected);
}

TYPED_TEST(watching, has_a_line_for_each_task_where_that_is_wanted) {
  notebook lines;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1},
                                         .log =
                                             [&](const log_line& l) {
                                               if (l.event == "task_ended")
                                                 lines.add(std::to_string(l.task) + " " + l.label + " " +
                                                           l.task_id + " " +
                                                           std::to_string(l.worker.value_or(99)) + " " +
                                                           l.text.substr(0, l.text.find(" after ")));
                                             },
                                         .own_log = {.level = log_level::info, .tasks = true}});
    pool.submit({.id = "3", .label = "thumbnail"}, echo, 1).get();
    EXPECT_THROW(pool.submit(fail, "x").get(), std::runtime_error);
  }
  const std::vector<std::string> expected = {"1 thumbnail 3 0 attempt 1 done",
                                             "2   0 attempt 1 failed: exception"};
  EXPECT_EQ(lines.all(), expected);
}

TYPED_TEST(watching, says_nothing_unless_asked_and_then_to_standard_error) {
  const auto run = [](std::optional<log_level> level) {
    testing::internal::CaptureStderr();
    {
      TypeParam pool(options_of<TypeParam>{.workers = {1}, .name = "quiet", .own_log = {.level = level}});
      pool.submit(echo, 1).get();
      pool.stop();
    }
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(run(std::nullopt), "");
  EXPECT_EQ(run(log_level::warning), "");
  const std::string said = run(log_level::debug);
  for (const char* part : {"[quiet] info: nothing of the pool is left", "[quiet-0] debug: worker 0 is ready"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " is missing in " << said;
}

TYPED_TEST(watching, with_impossible_options_names_each_of_them) {
  try {
    TypeParam pool(options_of<TypeParam>{.workers = {1},
                                         .measure = {.one_in = 0},
                                         .report = {.hook = [](const stats&) {}, .backing_up_at = 0},
                                         .own_log = {.tasks = true},
                                         .hooks = {.keep_alive_every = 0ms},
                                         .cpus = {100'000}});
    FAIL();
  } catch (const invalid_options& e) {
    for (const char* part : {"measure.one_in = 0", "report.hook", "report.backing_up_at = 0", "own_log.tasks",
                             "hooks.keep_alive_every", "cpus[0] = 100000"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << part << " is missing in " << e.what();
  }
}

}  // namespace
}  // namespace muster::test
