// SPDX-License-Identifier: MIT
// Stories about failures, told with the real engine in virtual time.
#include <gtest/gtest.h>

#include "one_pool.hpp"

namespace muster::sim {
namespace {

std::unique_ptr<detail::task_extras> plain() { return std::make_unique<detail::task_extras>(); }

engine::settings workers(int count, bool can_kill = false) {
  engine::settings chosen;
  chosen.plan = {.min = count, .max = count, .grace = 10ms, .can_kill = can_kill};
  if (can_kill) chosen.plan.ready_timeout = 1s;
  chosen.queue.capacity = std::nullopt;
  chosen.callbacks = [](const std::function<void()>& f) { f(); };
  return chosen;
}

std::optional<error_code> code_of(const detail::task_ref<>& t) {
  if (!t->settled() || !t->error) return std::nullopt;
  try {
    std::rethrow_exception(t->error);
  } catch (const error& e) {
    return e.code();
  } catch (...) {
    return std::nullopt;
  }
}

// T47
TEST(failing, tasks_that_wait_for_another_attempt_keep_no_worker_from_the_good_ones) {
  engine::settings chosen = workers(4);
  chosen.retry = {
      .attempts = 3, .backoff = {.first = 10s, .max = 10s, .jitter = jitter::none}, .on_error = true};
  one_pool pool(chosen, false, {});
  pool.crew->write_script = [](sim_task& t) { return script{.takes = 10ms, .throws = t.number == 0}; };
  std::vector<detail::task_ref<>> bad, good;
  for (int i = 0; i < 4; ++i) bad.push_back(pool.submit());
  for (int i = 0; i < 100; ++i) good.push_back(pool.submit(plain(), 1));
  // 104 runs of 10 ms and at most 1 ms before each, by four workers.
  pool.pass(26 * 11ms + 5ms);
  for (const auto& t : good) EXPECT_TRUE(t->settled());
  EXPECT_EQ(pool.engine->snapshot().waiting, 4u);
  pool.pass(1min);
  for (const auto& t : bad) {
    EXPECT_TRUE(t->settled());
    EXPECT_EQ(t->attempt(), 3);
  }
}

TEST(failing, a_retry_goes_before_its_equals_that_wait) {
  engine::settings chosen = workers(1);
  chosen.retry = {
      .attempts = 2, .backoff = {.first = 15ms, .max = 15ms, .jitter = jitter::none}, .on_error = true};
  one_pool pool(chosen, false, {});
  std::vector<std::uint64_t> order;
  pool.crew->write_script = [&](sim_task& t) {
    order.push_back(t.number);
    return script{.takes = 10ms, .throws = t.number == 1};
  };
  for (std::uint64_t n = 1; n <= 6; ++n) (void)pool.submit(plain(), n);
  pool.pass(1s);
  ASSERT_EQ(order.size(), 7u);
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 4), (std::vector<std::uint64_t>{1, 2, 3, 1}));
}

// Its first attempt has to be over before the second begins; the crew says so where it is not. A thread that
// is told comes back within 20 ms, so it has that long, and throws: a value would be the result.
TEST(failing, an_attempt_past_its_run_timeout_is_ended_before_the_next_begins) {
  for (const bool can_kill : {false, true}) {
    engine::settings chosen = workers(2, can_kill);
    chosen.plan.grace = 25ms;
    chosen.retry = {.attempts = 3, .backoff = {.first = 0ms, .max = 0ms}, .on_timeout = true};
    one_pool pool(chosen, can_kill, {});
    pool.crew->worst({.ignores_stop = can_kill ? 1.0 : 0.0});
    int runs = 0;
    pool.crew->write_script = [&](sim_task&) {
      const bool lasts = ++runs < 3;
      return script{.takes = lasts ? 1h : 1ms, .throws = lasts};
    };
    auto extras = plain();
    extras->run_timeout = 50ms;
    extras->stop = std::stop_source();
    const auto t = pool.submit(std::move(extras));
    pool.pass(5s);
    ASSERT_TRUE(t->settled()) << can_kill;
    EXPECT_EQ(t->attempt(), 3) << can_kill;
    EXPECT_EQ(t->error, nullptr) << can_kill;
    EXPECT_EQ(pool.crew->broken(), "") << can_kill;
    EXPECT_EQ(pool.engine->snapshot().succeeded, 1u) << can_kill;
  }
}

TEST(failing, a_value_that_an_attempt_returns_past_its_run_timeout_is_the_result) {
  engine::settings chosen = workers(2);
  chosen.plan.grace = 25ms;
  chosen.retry = {.attempts = 3, .on_timeout = true};
  one_pool pool(chosen, false, {.takes = 1h});
  auto extras = plain();
  extras->run_timeout = 50ms;
  extras->stop = std::stop_source();
  const auto t = pool.submit(std::move(extras));
  pool.pass(5s);
  ASSERT_TRUE(t->settled());
  EXPECT_EQ(t->attempt(), 1);
  EXPECT_EQ(t->error, nullptr);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 1u);
  EXPECT_EQ(pool.engine->snapshot().retried, 0u);
}

TEST(failing, a_thread_that_does_not_come_back_after_its_timeout_fails_its_task_and_is_not_run_beside) {
  engine::settings chosen = workers(2);
  chosen.retry = {.attempts = 3, .on_timeout = true};
  one_pool pool(chosen, false, {.takes = 1h});
  pool.crew->worst({.ignores_stop = 1});
  auto extras = plain();
  extras->run_timeout = 50ms;
  const auto t = pool.submit(std::move(extras));
  pool.pass(1s);
  ASSERT_TRUE(t->settled());
  EXPECT_EQ(code_of(t), error_code::task_timeout);
  EXPECT_EQ(t->attempt(), 1);
  pool.pass(2h);  // it comes back at last, which changes nothing
  EXPECT_EQ(code_of(t), error_code::task_timeout);
  EXPECT_EQ(t->attempt(), 1);
}

TEST(failing, the_predicate_decides_and_one_that_throws_says_no) {
  engine::settings chosen = workers(1);
  int asked = 0;
  chosen.retry = {
      .attempts = 10, .backoff = {.first = 1ms, .max = 1ms}, .when = [&](const std::exception_ptr& e) {
        EXPECT_TRUE(error_kind::of<std::runtime_error>().matches(e));
        return ++asked < 3;
      }};
  one_pool pool(chosen, false, {.takes = 1ms, .throws = true});
  const auto t = pool.submit();
  pool.pass(1s);
  EXPECT_TRUE(t->settled());
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(t->attempt(), 3);
  EXPECT_EQ(code_of(t), std::nullopt) << "its own error";

  chosen.retry.when = [](const std::exception_ptr&) -> bool { throw std::runtime_error("no idea"); };
  one_pool other(chosen, false, {.takes = 1ms, .throws = true});
  const auto u = other.submit();
  other.pass(1s);
  EXPECT_TRUE(u->settled());
  EXPECT_EQ(u->attempt(), 1);
  EXPECT_EQ(other.engine->snapshot().waiting, 0u);
}

TEST(failing, a_task_that_is_cancelled_while_the_predicate_thinks_is_not_run_again) {
  engine::settings chosen = workers(1);
  std::vector<std::function<void()>> later;
  chosen.callbacks = [&](std::function<void()> f) { later.push_back(std::move(f)); };
  chosen.retry = {.attempts = 10, .when = [](const std::exception_ptr&) { return true; }};
  one_pool pool(chosen, false, {.takes = 1ms, .throws = true});
  const auto t = pool.submit();
  pool.pass(1s);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_FALSE(t->settled());
  EXPECT_EQ(pool.engine->snapshot().waiting, 1u);
  pool.engine->cancel(*t);
  pool.pass(1s);
  EXPECT_EQ(code_of(t), error_code::cancelled);
  later.front()();
  pool.pass(1min);
  EXPECT_EQ(t->attempt(), 1);
  EXPECT_EQ(engine::inspector::known(*pool.engine), 0u);
}

// ----------------------------------------------------------------------------------------------------------
// quarantine

engine::settings careful(int count) {
  engine::settings chosen = workers(count, true);
  chosen.retry = {.attempts = 100, .backoff = {.first = 10ms, .max = 100ms}};
  chosen.plan.quarantine = quarantine_options{.deaths = 3, .mass_within = 100ms};
  chosen.safeguards.quarantine = chosen.plan.quarantine;
  return chosen;
}

// R18, T9
TEST(failing, one_poison_among_ten_thousand_is_set_aside_after_three_deaths) {
  one_pool pool(careful(8), true, {});
  pool.crew->write_script = [](sim_task& t) { return script{.takes = 1ms, .kills = t.number == 1}; };
  std::vector<detail::task_ref<>> good;
  detail::task_ref<> poison;
  for (int i = 0; i < 10'000; ++i)
    if (i == 5'000)
      poison = pool.submit(plain(), 1);
    else
      good.push_back(pool.submit(plain(), 2));
  pool.pass(1h);
  EXPECT_EQ(code_of(poison), error_code::quarantined);
  EXPECT_EQ(poison->attempt(), 3);
  const stats s = pool.engine->snapshot();
  EXPECT_EQ(s.succeeded, good.size());
  EXPECT_EQ(s.failed, 1u);
  EXPECT_EQ(s.quarantined, 1u);
  EXPECT_EQ(s.workers_started, 8u + 3u);
}

// R18
TEST(failing, killing_all_workers_at_once_again_and_again_sets_nobody_aside) {
  one_pool pool(careful(4), true, {.takes = 10s});
  std::vector<detail::task_ref<>> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(pool.submit());
  for (int round = 0; round < 5; ++round) {
    pool.pass(1s);
    ASSERT_EQ(pool.engine->snapshot().running, 4u) << round;
    for (const auto w : pool.crew->staying()) pool.crew->kill(w, death_cause::signalled);
  }
  pool.pass(1min);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 4u);
  EXPECT_EQ(pool.engine->snapshot().quarantined, 0u);
  for (const auto& t : tasks) EXPECT_EQ(t->attempt(), 6);
}

TEST(failing, a_task_with_the_id_of_one_set_aside_is_refused_until_its_time_is_over) {
  engine::settings chosen = careful(4);
  chosen.plan.quarantine->stay = 1h;
  chosen.safeguards.quarantine->stay = 1h;
  one_pool pool(chosen, true, {});
  pool.crew->write_script = [](sim_task& t) { return script{.takes = 1ms, .kills = t.number == 1}; };
  const auto named = [] {
    auto extras = plain();
    extras->named = std::make_unique<detail::task_names>();
    extras->named->id = "cat.jpg";
    return extras;
  };
  const auto poison = pool.submit(named(), 1);
  pool.pass(1min);
  EXPECT_EQ(code_of(poison), error_code::quarantined);
  EXPECT_THROW((void)pool.submit(named()), quarantined);
  EXPECT_EQ(pool.engine->snapshot().rejected, 1u);
  pool.pass(1h);
  const auto again = pool.submit(named());
  pool.pass(1s);
  EXPECT_TRUE(again->settled());
  EXPECT_EQ(again->error, nullptr);
}

// ----------------------------------------------------------------------------------------------------------
// breakers

// S119
TEST(failing, a_breaker_refuses_the_sixth_and_after_a_minute_one_success_closes_it) {
  engine::settings chosen = workers(1);
  chosen.safeguards.breaker = breaker_options{};
  one_pool pool(chosen, false, {});
  bool ill = true;
  pool.crew->write_script = [&](sim_task&) { return script{.takes = 1ms, .throws = ill}; };
  for (int i = 0; i < 5; ++i) {
    (void)pool.submit();
    pool.pass(1s);
  }
  try {
    (void)pool.submit();
    FAIL();
  } catch (const circuit_open& e) {
    EXPECT_NE(std::string(e.what()).find("is open: 5 calls in a row failed"), std::string::npos) << e.what();
  }
  ill = false;
  pool.pass(1min);
  const auto probe = pool.submit();
  EXPECT_THROW((void)pool.submit(), circuit_open);
  pool.pass(1s);
  EXPECT_TRUE(probe->settled());
  EXPECT_EQ(pool.engine->snapshot().breakers.at(0).state, breaker_state::closed);
  for (int i = 0; i < 10; ++i) (void)pool.submit();
  pool.pass(1s);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 11u);
  EXPECT_EQ(pool.engine->snapshot().rejected, 2u);
}

TEST(failing, a_probe_that_is_cancelled_or_refused_or_never_begins_leaves_its_place_to_another) {
  engine::settings chosen = workers(1);
  chosen.safeguards.breaker = breaker_options{.failures = 1, .open_for = 1s};
  chosen.queue = {.capacity = 1, .when_full = when_full::reject};
  one_pool pool(chosen, false, {});
  bool ill = true;
  pool.crew->write_script = [&](sim_task&) { return script{.takes = ill ? 1h : 1ms, .throws = ill}; };
  (void)pool.submit();  // two that run and wait for very long, and were let in before it opened
  pool.pass(10ms);
  (void)pool.submit();
  pool.pass(1h);  // the first failed: open
  pool.pass(2s);  // the second runs
  auto cancelled_probe = pool.submit();
  EXPECT_THROW((void)pool.submit(), circuit_open);
  pool.engine->cancel(*cancelled_probe);
  auto extras = plain();
  extras->queue_timeout = 100ms;
  const auto late_probe = pool.submit(std::move(extras));
  pool.pass(1s);
  EXPECT_EQ(code_of(late_probe), error_code::task_timeout);
  ill = false;
  const auto good = pool.submit();
  pool.pass(2h);
  EXPECT_TRUE(good->settled());
  EXPECT_EQ(good->error, nullptr);
}

TEST(failing, slow_calls_count_as_failures_where_that_is_asked_for) {
  engine::settings chosen = workers(1);
  chosen.safeguards.breaker = breaker_options{.failures = 2, .slow = 100ms};
  one_pool pool(chosen, false, {});
  duration takes = 90ms;
  pool.crew->write_script = [&](sim_task&) { return script{.takes = takes}; };
  for (int i = 0; i < 5; ++i) (void)pool.submit();
  pool.pass(1s);
  EXPECT_EQ(pool.engine->snapshot().breakers.at(0).state, breaker_state::closed) << "waiting does not count";
  takes = 110ms;
  for (int i = 0; i < 2; ++i) (void)pool.submit();
  pool.pass(1s);
  EXPECT_EQ(pool.engine->snapshot().succeeded, 7u);
  EXPECT_THROW((void)pool.submit(), circuit_open);
}

}  // namespace
}  // namespace muster::sim
