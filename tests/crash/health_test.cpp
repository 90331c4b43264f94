// SPDX-License-Identifier: MIT
// Worker processes that live and do nothing, or say that they are not well: found, doubted, replaced. And
// those that only look like it: left alone.
#include <csignal>
#include <map>
#include <mutex>
#include <set>

#include "engine/lifecycle.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// Where nobody shall be killed, failures is so high that a worker which is not given the processor for a
// while does not matter.
process_options looked_at(duration interval, int failures = 3) {
  return {.workers = {1},
          .grace = 10ms,
          .health = {.interval = interval, .failures = failures},
          .restart = {.first = 1ms, .max = 10ms},
          .worker_stderr = worker_stderr::keep};
}
constexpr duration often = base::is_sanitized ? 400ms : 100ms;
constexpr int nobody_dies = 1'000;

// Everything a pool tells, in order.
class tale {
public:
  explicit tale(process_pool& pool) : pool_(pool) {
    listens_ = pool.on([this](const event& e) {
      const std::lock_guard lock(mutex_);
      all_.push_back(e);
    });
  }
  ~tale() { pool_.off(listens_); }
  tale(const tale&) = delete;
  [[nodiscard]] std::vector<event> of(event_kind kind) {
    const std::lock_guard lock(mutex_);
    std::vector<event> found;
    for (const event& e : all_)
      if (e.kind == kind) found.push_back(e);
    return found;
  }
  [[nodiscard]] bool has(event_kind kind) { return !of(kind).empty(); }

private:
  process_pool& pool_;
  subscription listens_{};
  std::mutex mutex_;
  std::vector<event> all_;
};

// From now on for so long, no look at the first worker finds anything.
bool stays_well(process_pool& pool, duration by) {
  const auto failed = [&] { return pool.stats().workers.at(0).failed_checks > 0; };
  EXPECT_TRUE(eventually([&] { return !failed(); })) << "a look before this one may have failed";
  return !eventually(failed, by);
}
worker_stats first_of(process_pool& pool) { return pool.stats().workers.at(0); }
void stop_and_see(int pid) {
  signal_process(pid, SIGSTOP);
  ASSERT_TRUE(eventually([&] { return state_of(pid).state == 'T'; }));
}

TEST(health, an_idle_worker_that_was_stopped_is_doubted_killed_and_replaced) {
  process_pool pool(looked_at(often));
  tale told(pool);
  const int pid = pool.submit(process_id).get();
  stop_and_see(pid);
  EXPECT_TRUE(eventually([&] { return told.has(event_kind::worker_died); }));
  ASSERT_TRUE(told.has(event_kind::worker_unhealthy));
  EXPECT_NE(told.of(event_kind::worker_unhealthy)[0].text.find("SIGSTOP"), std::string::npos);
  const death how = *told.of(event_kind::worker_died)[0].death;
  EXPECT_EQ(how.cause, death_cause::unresponsive);
  EXPECT_NE(how.text().find("failed 3 health checks in a row; it was stopped"), std::string::npos)
      << how.text();
  EXPECT_NE(pool.submit(process_id).get(), pid);
  EXPECT_FALSE(told.has(event_kind::degraded)) << "that is no failed start";
}

TEST(health, a_busy_worker_that_was_stopped_is_killed_and_its_task_fails_with_the_reason) {
  process_pool pool(looked_at(often));
  try {
    pool.submit([] { ::raise(SIGSTOP); }).get();
    FAIL();
  } catch (const unexpected_exit& e) {
    EXPECT_EQ(e.death().cause, death_cause::unresponsive);
    EXPECT_NE(std::string(e.what()).find("unresponsive"), std::string::npos) << e.what();
  }
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

TEST(health, a_worker_that_goes_on_in_time_is_trusted_again_and_its_count_begins_anew) {
  process_pool pool(looked_at(often, nobody_dies));
  tale told(pool);
  const int pid = pool.submit(process_id).get();
  for (std::size_t round = 1; round <= 3; ++round) {
    stop_and_see(pid);
    EXPECT_TRUE(eventually([&] { return first_of(pool).failed_checks >= 2; }));
    EXPECT_EQ(first_of(pool).state, worker_state::unhealthy);
    auto waits = pool.submit(process_id);
    signal_process(pid, SIGCONT);
    EXPECT_TRUE(eventually([&] { return told.of(event_kind::worker_healthy).size() == round; }));
    EXPECT_EQ(first_of(pool).failed_checks, 0);
    EXPECT_EQ(waits.get(), pid);
  }
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(health, a_doubted_worker_gets_no_tasks_and_those_it_has_not_begun_go_to_others) {
  auto options = looked_at(often, nobody_dies);
  options.workers = {2};
  options.strategy = strategy::round_robin;
  process_pool pool(options);
  pool.start();
  blocker other(pool);
  scratch files;
  auto begun = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 8; ++i) behind.push_back(pool.submit(process_id));
  int stopped = 0;
  for (const worker_stats& w : pool.stats().workers)
    if (w.task == 2) stopped = w.pid;
  ASSERT_NE(stopped, 0) << "the second task was begun by a worker that says so";
  stop_and_see(stopped);
  ASSERT_TRUE(eventually([&] {
    for (const worker_stats& w : pool.stats().workers)
      if (w.pid == stopped && w.state == worker_state::unhealthy) return true;
    return false;
  }));
  for (int i = 0; i < 8; ++i) behind.push_back(pool.submit(process_id));  // round robin would take turns
  other.open();
  for (auto& f : behind) EXPECT_NE(f.get(), stopped);
  touch(files("gate"));
  EXPECT_FALSE(begun.wait_for(1ms)) << "what it has begun stays with it";
  signal_process(stopped, SIGCONT);
  EXPECT_EQ(begun.get(), 7);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(health, what_a_doubted_worker_has_not_begun_is_queued_again_though_nobody_else_is_there) {
  auto options = looked_at(often, nobody_dies);
  options.strategy = strategy::round_robin;  // hands over more than one
  process_pool pool(options);
  scratch files;
  auto begun = pool.submit(hold, files("begun"), files("gate"), 7);
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 3; ++i) behind.push_back(pool.submit(echo, i));
  ASSERT_TRUE(eventually([&] { return pool.stats().queued == 0; }));
  const int pid = first_of(pool).pid;
  stop_and_see(pid);
  EXPECT_TRUE(eventually([&] { return pool.stats().queued == 3; }));
  touch(files("gate"));
  signal_process(pid, SIGCONT);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(begun.get(), 7);
}

// T35.
TEST(health, a_worker_that_computes_for_many_intervals_is_left_alone) {
  auto options = looked_at(often, nobody_dies);
  options.health.max_silence = 10 * often;
  process_pool pool(options);
  const auto compute = [](std::string begun, std::string gate) {
    touch(begun);
    for (volatile unsigned spins = 0; spins % 1'024 != 0 || !exists(gate);) spins = spins + 1;
    return ::getpid();
  };
  scratch files;
  const int pid = pool.submit(process_id).get();
  auto f = pool.submit(compute, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_TRUE(stays_well(pool, 20 * often));
  touch(files("gate"));
  EXPECT_EQ(f.get(), pid);
}

TEST(health, a_task_may_wait_for_many_intervals_where_no_silence_is_forbidden) {
  process_pool pool(looked_at(1ms, nobody_dies));
  scratch files;
  auto f = pool.submit(hold, files("begun"), files("gate"), 3);
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_TRUE(stays_well(pool, 300ms));
  touch(files("gate"));
  EXPECT_EQ(f.get(), 3);
}

void wait_for_ever() {
  for (;;) ::pause();
}

TEST(health, a_task_that_is_silent_for_too_long_has_deadlocked_and_the_death_says_where) {
  auto options = looked_at(often);
  options.health.max_silence = 2 * often;
  process_pool pool(options);
  try {
    pool.submit(wait_for_ever).get();
    FAIL();
  } catch (const unexpected_exit& e) {
    EXPECT_EQ(e.death().cause, death_cause::unresponsive);
    EXPECT_NE(e.death().detail.find("heartbeat"), std::string::npos) << e.death().detail;
    if (!base::is_sanitized) {
      EXPECT_FALSE(e.death().backtrace.empty()) << e.death().text();
    }
  }
}

bool is_there_no_file() { return !exists(std::getenv("TEST_GATE")); }
bool throws_when_there_is_a_file() {
  if (exists(std::getenv("TEST_GATE"))) throw std::runtime_error("the licence is gone");
  return true;
}

// S156.
TEST(health, a_worker_whose_check_is_not_ok_is_replaced_without_loss_and_the_event_says_why) {
  const std::pair<bool (*)(), std::string> checks[] = {
      {is_there_no_file, "its health check was not ok"},
      {throws_when_there_is_a_file, "its health check threw: the licence is gone"}};
  for (const auto& [check, said] : checks) {
    scratch files;
    auto options = looked_at(often, nobody_dies);
    options.health.check = check;
    options.env.set = {{"TEST_GATE", files("bad")}};
    process_pool pool(options);
    tale told(pool);
    const int pid = pool.submit(process_id).get();
    EXPECT_FALSE(told.has(event_kind::worker_recycled));
    touch(files("bad"));
    EXPECT_TRUE(eventually([&] { return told.has(event_kind::worker_recycled); }));
    std::filesystem::remove(files("bad"));
    EXPECT_NE(told.of(event_kind::worker_recycled)[0].text.find(said), std::string::npos)
        << told.of(event_kind::worker_recycled)[0].text;
    EXPECT_TRUE(eventually([&] { return !lives(pid); }));
    EXPECT_EQ(pool.submit(echo, 3).get(), 3);
    EXPECT_EQ(pool.stats().workers_died, 0U);
  }
}

TEST(health, a_check_that_never_returns_is_no_answer) {
  scratch files;
  auto options = looked_at(often);
  options.env.set = {{"TEST_GATE", files("bad")}};
  options.health.check = [] {
    while (exists(std::getenv("TEST_GATE"))) ::pause();
    return true;
  };
  process_pool pool(options);
  tale told(pool);
  const int pid = pool.submit(process_id).get();
  touch(files("bad"));
  EXPECT_TRUE(eventually([&] { return told.has(event_kind::worker_died); }));
  std::filesystem::remove(files("bad"));
  EXPECT_EQ(told.of(event_kind::worker_died)[0].death->cause, death_cause::unresponsive);
  EXPECT_NE(pool.submit(process_id).get(), pid);
}

TEST(health, impossible_options_are_all_named) {
  process_options bad;
  bad.health = {.interval = 0s, .failures = 0, .max_silence = -1s};
  try {
    process_pool pool(bad);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part : {"health.interval = 0s", "health.failures = 0", "health.max_silence", "1..1000"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
  const auto refused = [](health_options health) {
    process_options options{.health = std::move(health)};
    EXPECT_THROW(process_pool{options}, invalid_options);
  };
  refused({.interval = std::nullopt, .max_silence = 5s});
  refused({.interval = std::nullopt, .check = is_there_no_file});
  refused({.interval = 3s, .max_silence = 1s});
}

// -------------------------------------------------------------------------------------------------------------
// what can be seen of a worker

void wait_for_gate() { (void)appears(std::getenv("TEST_GATE")); }

// S95.
TEST(worker_states, all_six_can_be_seen) {
  scratch files;
  auto options = looked_at(often, nobody_dies);
  options.init = wait_for_gate;
  options.env.set = {{"TEST_GATE", files("gate")}};
  options.restart = {.first = 1h, .max = 1h};
  options.start = false;
  process_pool pool(options);
  const auto becomes = [&](worker_state state) {
    return eventually([&] {
      const auto all = pool.stats().workers;
      return !all.empty() && all[0].state == state;
    });
  };
  std::thread starter([&] { pool.start(); });
  EXPECT_TRUE(becomes(worker_state::starting));
  touch(files("gate"));
  starter.join();
  EXPECT_TRUE(becomes(worker_state::idle));
  auto f = pool.submit(hold, files("begun"), files("open"), 1);
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_TRUE(becomes(worker_state::busy));
  const int pid = first_of(pool).pid;
  stop_and_see(pid);
  EXPECT_TRUE(becomes(worker_state::unhealthy));
  signal_process(pid, SIGCONT);
  EXPECT_TRUE(becomes(worker_state::busy));
  std::thread stopper([&] { pool.recycle(0, {.deadline = watchdog}); });
  EXPECT_TRUE(becomes(worker_state::stopping));
  touch(files("open"));
  EXPECT_EQ(f.get(), 1);
  stopper.join();
  EXPECT_TRUE(becomes(worker_state::dead));
}

// S96.
TEST(worker_stats, tell_of_each_worker_what_it_did_and_does) {
  const auto before = std::chrono::steady_clock::now();
  process_pool pool(looked_at(often, nobody_dies));
  pool.start();
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_ANY_THROW(pool.submit([] { throw std::runtime_error("no"); }).get());
  EXPECT_TRUE(eventually([&] { return first_of(pool).tasks_done == 2; }));
  worker_stats w = first_of(pool);
  EXPECT_EQ(w.slot, 0U);
  EXPECT_EQ(w.generation, 1U);
  EXPECT_EQ(w.errors, 1U);
  EXPECT_EQ(w.task, 0U);
  EXPECT_GE(w.since, before);
  EXPECT_LE(w.since, std::chrono::steady_clock::now());
  EXPECT_FALSE(w.reported_memory);
  EXPECT_TRUE(eventually([&] { return first_of(pool).memory.value_or(0) > 0; })) << "looked at";
  scratch files;
  auto f = pool.submit(hold, files("begun"), files("gate"), 1);
  ASSERT_TRUE(appears(files("begun")));
  EXPECT_EQ(first_of(pool).task, 3U);
  touch(files("gate"));
  EXPECT_EQ(f.get(), 1);
}

// From which states a worker may get into which, by the table, in any number of steps.
bool is_reachable(worker_state from, worker_state to) {
  std::set<worker_state> seen{from};
  for (std::size_t before = 0; before != seen.size();) {
    before = seen.size();
    for (const worker_state state : std::set(seen))
      for (std::size_t e = 0; e < engine::worker_events; ++e)
        if (const auto next = engine::next(state, static_cast<engine::worker_event>(e));
            next && *next != worker_state::starting)
          seen.insert(*next);
  }
  return seen.contains(to);
}

TEST(worker_states, of_every_worker_follow_the_table_while_workers_are_stopped_killed_and_recycled) {
  std::mt19937_64 dice(seed_of_test());
  auto options = looked_at(2ms, 3);
  options.workers = {4};
  process_pool pool(options);
  pool.start();
  std::map<std::pair<unsigned, unsigned>, std::vector<worker_state>> traces;
  std::vector<future<int>> calls;
  const int steps = long_tests() ? 20'000 : 2'000;
  for (int step = 0; step < steps; ++step) {
    const auto workers = pool.stats().workers;
    for (const worker_stats& w : workers) {
      auto& trace = traces[{w.slot, w.generation}];
      if (trace.empty() || trace.back() != w.state) trace.push_back(w.state);
    }
    const worker_stats& chosen = workers[dice() % workers.size()];
    calls.push_back(pool.submit(echo, step));
    // A number may be somebody else's by now, but only a worker's: nobody else is born here.
    if (chosen.pid == 0 || state_of(chosen.pid).parent == 0) continue;
    switch (dice() % 40) {
      case 0: signal_process(chosen.pid, SIGKILL); break;
      case 1: signal_process(chosen.pid, SIGSTOP); break;
      case 2: signal_process(chosen.pid, SIGCONT); break;
      case 3: pool.recycle(chosen.slot, {.deadline = 1ms}); break;
      default: break;
    }
  }
  for (auto& call : calls) ASSERT_TRUE(call.wait_for(watchdog));
  std::size_t changes = 0;
  for (const auto& [who, trace] : traces)
    for (std::size_t i = 1; i < trace.size(); ++i, ++changes)
      EXPECT_TRUE(is_reachable(trace[i - 1], trace[i]))
          << "worker " << who.first << "." << who.second << " from " << engine::name(trace[i - 1]) << " to "
          << engine::name(trace[i]);
  EXPECT_GT(changes, 20U);
}

}  // namespace
}  // namespace muster::test
