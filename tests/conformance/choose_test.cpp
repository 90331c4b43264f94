// SPDX-License-Identifier: MIT
// Who gets the next task on whole pools. What a strategy chooses among given workers is in
// unit/policy/choose_test.cpp; here, that pools ask it, and keep to the answer.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <ranges>
#include <set>

#include "kit/pools.hpp"
#include "policy/choose.hpp"

namespace muster::test {
namespace {

// Which worker runs this: a thread has its number, a process its id.
int who() { return ::gettid(); }
int hold_who(std::string begun, std::string gate) {
  return hold(std::move(begun), std::move(gate), 0), who();
}

template <class Pool>
struct choosing : testing::Test {};
TYPED_TEST_SUITE(choosing, both_pools, pool_names);

// All workers are up, and wait for a task.
template <class Pool>
void wait_until_idle(Pool& pool, std::size_t workers) {
  ASSERT_TRUE(eventually([&] {
    const stats s = pool.stats();
    return static_cast<std::size_t>(
               std::ranges::count(s.workers, worker_state::idle, &worker_stats::state)) == workers;
  }));
}

TYPED_TEST(choosing, with_every_strategy_all_tasks_are_done) {
  for (const auto& each : policy::strategies()) {
    for (const affinity how : {affinity::soft, affinity::hard}) {
      if (how == affinity::hard && each.how != strategy::key) continue;
      TypeParam pool(options_of<TypeParam>{
          .workers = {0, 3, 20ms}, .strategy = each.how, .choose = {.full = 2, .affinity = how}});
      std::vector<future<int>> results;
      for (int i = 0; i < 300; ++i)
        results.push_back(pool.submit({.key = "k" + std::to_string(i % 7)}, echo, i));
      for (int i = 0; i < 300; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i) << each.name;
    }
  }
}

TYPED_TEST(choosing, what_cannot_be_is_refused_with_all_that_is_wrong) {
  const auto problem = [](options_of<TypeParam> options) -> std::string {
    try {
      TypeParam pool(std::move(options));
      return "";
    } catch (const invalid_options& e) {
      return e.what();
    }
  };
  const std::string many = problem({.workers = {2},
                                    .strategy = static_cast<strategy>(77),
                                    .choose = {.weights = {1, -1, 1}, .full = 0, .chooser = [](auto) {
                                                 return std::optional<std::size_t>(0);
                                               }}});
  for (const char* each : {"strategy = 77", "choose.weights[1] = -1", "choose.weights = 3 of them",
                           "choose.full = 0", "choose.chooser"})
    EXPECT_NE(many.find(each), std::string::npos) << each << " in\n" << many;
  const std::string none =
      problem({.workers = {2}, .strategy = strategy::weighted, .choose = {.weights = {0, 0}}});
  EXPECT_NE(none.find("choose.weights = all 0"), std::string::npos) << none;
  EXPECT_EQ(problem({.workers = {2}, .strategy = strategy::weighted, .choose = {.weights = {0, 1}}}), "");
}

TYPED_TEST(choosing, a_weight_of_0_is_never_given_a_task_and_tasks_wait_for_the_others) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {3}, .strategy = strategy::weighted, .choose = {.weights = {0, 3, 1}}});
  pool.start();
  std::vector<future<int>> results;
  for (int i = 0; i < 400; ++i) results.push_back(pool.submit(echo, i));
  for (int i = 0; i < 400; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i);
  pool.wait_idle();
  wait_until_idle(pool, 3);
  std::size_t done = 0;
  for (const worker_stats& w : pool.stats().workers) {
    done += w.tasks_done;
    if (w.slot == 0) {
      EXPECT_EQ(w.tasks_done, 0U);
    }
  }
  EXPECT_EQ(done, 400U);
}

// Where only a worker of weight 0 is up, that is as if none was.
TYPED_TEST(choosing, a_pool_grows_where_only_a_weight_of_0_is_up) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1, 2}, .strategy = strategy::weighted, .choose = {.weights = {0}}});
  pool.start();
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
  EXPECT_EQ(pool.stats().workers_started, 2U);
}

TYPED_TEST(choosing, a_pool_grows_there_whatever_else_the_queue_would_have_to_be) {
  TypeParam pool(options_of<TypeParam>{.workers = {1, 2},
                                       .scaling = {.queue_per_worker = 100},
                                       .strategy = strategy::weighted,
                                       .choose = {.weights = {0}}});
  pool.start();
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
}

TYPED_TEST(choosing, a_resize_to_nobody_but_those_with_a_weight_of_0_is_refused) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {2}, .strategy = strategy::weighted, .choose = {.weights = {0}}});
  pool.start();
  try {
    pool.resize(1);
    FAIL();
  } catch (const invalid_options& e) {
    EXPECT_NE(std::string(e.what()).find("workers.max = 1: 1 have a weight of 0"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(pool.submit(echo, 3).get(), 3);
}

// A thread that is still looking for a task when one comes takes it, whoever would be chosen.
TYPED_TEST(choosing, fill_keeps_to_the_first_worker_while_it_has_room) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}, .strategy = strategy::fill});
  pool.start();
  std::map<int, int> ran;
  for (int i = 0; i < 20; ++i) {
    wait_until_idle(pool, 3);
    ++ran[pool.submit(who).get()];
  }
  EXPECT_GE(std::ranges::max(ran | std::views::values), has_processes<TypeParam> ? 20 : 15);
}

TYPED_TEST(choosing, by_key_firmly_runs_a_key_on_one_worker_whatever_the_others_do) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {3}, .strategy = strategy::key, .choose = {.affinity = affinity::hard}});
  pool.start();
  wait_until_idle(pool, 3);
  std::map<int, std::vector<future<int>>> by_key;
  for (int i = 0; i < 120; ++i)
    by_key[i % 8].push_back(pool.submit({.key = "key " + std::to_string(i % 8)}, who));
  std::set<int> all;
  for (auto& [key, results] : by_key) {
    std::set<int> seen;
    for (auto& r : results) seen.insert(r.get());
    EXPECT_EQ(seen.size(), 1U) << key;
    all.merge(seen);
  }
  EXPECT_GT(all.size(), 1U) << "eight keys on one of three workers: once in two thousand";
}

TYPED_TEST(choosing, by_key_firmly_waits_for_the_worker_of_the_key_while_others_go_on) {
  TypeParam pool(options_of<TypeParam>{
      .workers = {2}, .strategy = strategy::key, .choose = {.affinity = affinity::hard}});
  pool.start();
  wait_until_idle(pool, 2);
  scratch files;
  auto slow = pool.submit({.key = "mine"}, hold_who, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  auto same = pool.submit({.key = "mine"}, who);
  auto cancelled = pool.submit({.key = "mine"}, who);
  std::set<int> others;
  for (int i = 0; i < 40; ++i) others.insert(pool.submit(who).get());  // without a key
  EXPECT_FALSE(same.ready());
  cancelled.cancel();
  EXPECT_EQ(outcome_of(cancelled), error_code::cancelled) << "what waits for its worker can be cancelled";
  touch(files("gate"));
  const int home = slow.get();
  EXPECT_EQ(same.get(), home);
  EXPECT_FALSE(others.contains(home));
}

TYPED_TEST(choosing, by_a_chooser_of_the_users_is_as_it_says) {
  std::mutex mutex;
  std::set<unsigned> slots;
  std::atomic<bool> waits = true;
  std::atomic<int> asked = 0;
  TypeParam pool(options_of<TypeParam>{
      .workers = {3},
      .choose = {.chooser = [&](std::span<const candidate> candidates) -> std::optional<std::size_t> {
        ++asked;
        const std::lock_guard lock(mutex);
        std::size_t last = 0;
        for (std::size_t i = 0; i < candidates.size(); ++i) {
          slots.insert(candidates[i].slot);
          if (candidates[i].slot > candidates[last].slot) last = i;
        }
        if (waits) return std::nullopt;
        return last;
      }}});
  pool.start();
  wait_until_idle(pool, 3);
  auto first = pool.submit(who);
  ASSERT_TRUE(eventually([&] { return asked > 0; }));
  EXPECT_FALSE(first.ready());
  EXPECT_EQ(pool.stats().queued, 1U) << "it waits, though all are free";
  waits = false;
  std::set<int> seen{pool.submit(who).get(), first.get()};
  for (int i = 0; i < 10; ++i) {
    wait_until_idle(pool, 3);
    seen.insert(pool.submit(who).get());
  }
  if (has_processes<TypeParam>) {
    EXPECT_EQ(seen.size(), 1U) << "also what waits goes to the last one";
  }
  std::size_t of_last = 0, of_others = 0;
  wait_until_idle(pool, 3);
  for (const worker_stats& w : pool.stats().workers) (w.slot == 2 ? of_last : of_others) += w.tasks_done;
  EXPECT_GE(of_last, 11U);
  EXPECT_LE(of_others, 1U);
  EXPECT_EQ(slots, (std::set<unsigned>{0, 1, 2}));
}

TYPED_TEST(choosing, a_chooser_may_call_the_pool_and_is_asked_by_one_thread_at_a_time) {
  std::atomic<int> inside = 0, together = 0;
  TypeParam* that = nullptr;
  TypeParam pool(options_of<TypeParam>{.workers = {2},
                                       .choose = {.chooser =
                                                      [&](std::span<const candidate> candidates) {
                                                        if (++inside > 1) ++together;
                                                        EXPECT_GE(that->stats().workers.size(), 1U);
                                                        --inside;
                                                        return std::optional<std::size_t>(candidates.size() -
                                                                                          1);
                                                      }},
                                       .start = false});
  that = &pool;
  pool.start();
  std::vector<std::thread> submitters;
  for (int n = 0; n < 3; ++n)
    submitters.emplace_back([&] {
      for (int i = 0; i < 60; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
    });
  for (auto& each : submitters) each.join();
  EXPECT_EQ(together, 0);
}

TYPED_TEST(choosing, a_chooser_that_fails_is_told_of_once_and_the_pool_goes_on_without_it) {
  for (const bool throws : {true, false}) {
    std::atomic<int> asked = 0, told = 0;
    TypeParam pool(options_of<TypeParam>{
        .workers = {2},
        .choose = {.chooser = [&](std::span<const candidate>) -> std::optional<std::size_t> {
          ++asked;
          if (throws) throw std::runtime_error("no idea");
          return 17;
        }},
        .start = false});
    pool.on(event_kind::chooser_failed, [&](const event& e) {
      EXPECT_NE(e.text.find(throws ? "it threw: no idea" : "it chose number 17 of"), std::string::npos)
          << e.text;
      ++told;
    });
    pool.start();
    std::vector<future<int>> results;
    for (int i = 0; i < 100; ++i) results.push_back(pool.submit(echo, i));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i);
    EXPECT_TRUE(eventually([&] { return told == 1; }));
    EXPECT_EQ(asked, 1);
  }
}

// S34: with a free worker for each, no task waits.
TYPED_TEST(choosing, no_task_waits_while_a_worker_is_free_for_it) {
  TypeParam pool(options_of<TypeParam>{.workers = {3}});
  pool.start();
  wait_until_idle(pool, 3);
  const blocker busy(pool, 3);
  EXPECT_EQ(pool.stats().queued, 0U);
}

// T23: workers come and go while tasks are handed out in turn.
TYPED_TEST(choosing, round_robin_survives_workers_that_come_and_go) {
  TypeParam pool(options_of<TypeParam>{.workers = {0, 4, 1ms}, .strategy = strategy::round_robin});
  for (int round = 0; round < 10; ++round) {
    std::vector<future<int>> results;
    for (int i = 0; i < 20; ++i) results.push_back(pool.submit(echo, i));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i);
    ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 0; }));
  }
}

}  // namespace
}  // namespace muster::test
