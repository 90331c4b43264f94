// SPDX-License-Identifier: MIT
#include <csignal>

#include <gtest/gtest.h>

#include <muster/error.hpp>
#include <muster/presets.hpp>

#include "pool/check_options.hpp"
#include "pool/usable_cpus.hpp"

namespace muster::test {
namespace {

TEST(presets, are_options_that_both_pools_take) {
  for (const std::string_view name : presets::names()) {
    const preset chosen = presets::named(name);
    EXPECT_EQ(chosen.name, name);
    EXPECT_NO_THROW((void)pool::check(chosen.threads)) << name;
    EXPECT_NO_THROW((void)pool::check(chosen.processes)) << name;
    EXPECT_EQ(pool::problems_of(chosen.tasks, pool::check(chosen.processes)), "") << name;
  }
}

TEST(presets, that_are_not_known_are_refused_with_those_that_are) {
  try {
    (void)presets::named("fastest");
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const std::string_view part : {"'fastest'", "production", "cpu", "go_worker_pool"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in " << text;
  }
}

// S82 to S84.
TEST(presets, by_what_tasks_do_have_so_many_workers) {
  const auto size = [](const preset& p) {
    EXPECT_EQ(p.threads.workers.min, p.processes.workers.min) << p.name;
    EXPECT_FALSE(p.threads.workers.max) << "a fixed size";
    return p.threads.workers.min.value_or(0);
  };
  EXPECT_EQ(size(presets::cpu(8)), 8);
  EXPECT_EQ(size(presets::cpu_but_one(8)), 7);
  EXPECT_EQ(size(presets::cpu_but_one(1)), 1);
  EXPECT_EQ(size(presets::io(8)), 16);
  EXPECT_EQ(size(presets::io_heavy(8)), 80);
  EXPECT_EQ(size(presets::mixed(8)), 16);
  EXPECT_EQ(size(presets::memory(8)), 4);
  EXPECT_EQ(size(presets::memory(1)), 2);
  EXPECT_EQ(size(presets::short_tasks(8)), 4);
  EXPECT_EQ(size(presets::short_tasks(2)), 2);
  EXPECT_EQ(size(presets::cpu()), pool::usable_cpus());
}

TEST(presets, of_the_documents_have_their_defaults) {
  const preset ppp = presets::process_pooling();  // S71, S102, S111
  EXPECT_EQ(ppp.processes.workers.min, 2);
  EXPECT_EQ(ppp.processes.workers.max, 10);
  EXPECT_EQ(ppp.processes.workers.idle_timeout, 60s);
  for (const scaling_options& how : {ppp.threads.scaling, ppp.processes.scaling}) {
    EXPECT_EQ(how.up_at, 0.8);
    EXPECT_EQ(how.down_at, 0.2);
    EXPECT_EQ(how.check_every, 5s);
  }
  EXPECT_EQ(ppp.processes.retry.attempts, 4);
  EXPECT_TRUE(ppp.processes.retry.on_crash && !ppp.processes.retry.on_error);
  EXPECT_EQ(ppp.processes.limits.memory_soft, 512_MiB);
  EXPECT_EQ(ppp.tasks.run_timeout, duration(30s));
  EXPECT_EQ(ppp.processes.queue.capacity, std::nullopt);

  const preset wp = presets::worker_pools();  // S16, S68
  EXPECT_EQ(wp.threads.workers.min, 4);
  EXPECT_EQ(wp.threads.queue.capacity, std::nullopt);
  EXPECT_EQ(wp.tasks.run_timeout, duration(30s));

  const preset bpm = presets::process_manager(4);  // S62, S98, S116, S117, S119
  EXPECT_EQ(bpm.processes.queue.capacity, 1'000U);
  EXPECT_EQ(bpm.processes.queue.when_full, when_full::reject);
  EXPECT_EQ(bpm.processes.health.interval, duration(3s));
  EXPECT_EQ(bpm.processes.health.failures, 3);
  EXPECT_EQ(bpm.processes.restart.first, 1s);
  EXPECT_EQ(bpm.processes.restart.max, 30s);
  EXPECT_EQ(bpm.processes.restart.jitter, jitter::none);
  EXPECT_EQ(bpm.processes.restart.limit, 3);
  EXPECT_EQ(bpm.processes.restart.window, 60s);
  for (const auto& breaker : {bpm.threads.breaker, bpm.processes.breaker}) {
    ASSERT_TRUE(breaker.has_value());
    EXPECT_EQ(breaker->failures, 5);
    EXPECT_EQ(breaker->open_for, 60s);
  }

  const preset wr = presets::node_worker_pool();  // S78, S79, S87, S121, S122
  EXPECT_EQ(wr.processes.workers.min, 0);
  EXPECT_EQ(wr.processes.workers.max, 3);
  EXPECT_EQ(wr.processes.workers.idle_timeout, 10s);
  EXPECT_EQ(wr.processes.strategy, strategy::fewest);
  EXPECT_EQ(wr.processes.ready_timeout, 1s);
  ASSERT_EQ(wr.processes.stop.size(), 1U);
  EXPECT_EQ(wr.processes.stop[0].signal, SIGTERM);
  EXPECT_EQ(wr.processes.stop[0].patience, 10s);

  const preset wpp = presets::go_worker_pool(4);  // S62, S65, S113
  EXPECT_EQ(wpp.threads.queue.capacity, 8U);
  EXPECT_EQ(wpp.threads.queue.when_full, when_full::reject);
  EXPECT_EQ(wpp.threads.retry.attempts, 4);
  EXPECT_TRUE(wpp.threads.retry.on_error);
  EXPECT_EQ(wpp.threads.retry.backoff.first, 2s);
  EXPECT_EQ(wpp.threads.retry.backoff.jitter, jitter::none);
  EXPECT_EQ(wpp.threads.close.patience, 5s);
}

// S150: a bounded queue and wait, an end, watched and renewed workers, nothing done twice unasked.
TEST(presets, for_production_leave_nothing_unbounded) {
  const preset p = presets::production(4);
  for (const auto& queue : {p.threads.queue, p.processes.queue}) {
    EXPECT_TRUE(queue.capacity.has_value());
    EXPECT_TRUE(queue.patience.has_value());
  }
  EXPECT_EQ(p.threads.close.on_destroy, on_destroy::drain);
  EXPECT_EQ(p.processes.close.patience, 30s);
  EXPECT_EQ(p.processes.retry.attempts, 1);
  EXPECT_TRUE(p.processes.health.interval && p.processes.limits.tasks && p.processes.limits.age);
  EXPECT_GT(p.processes.limits.jitter, 0);
  EXPECT_EQ(p.processes.isolation, isolation::contain);
  EXPECT_FALSE(p.processes.stop.empty());
  EXPECT_TRUE(p.tasks.run_timeout.has_value());
}

}  // namespace
}  // namespace muster::test
