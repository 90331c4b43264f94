// SPDX-License-Identifier: MIT
// A stream of results in completion order: what goes in comes out once, bounded, and holds nobody up.
#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int odd_ones_fail(int value) {
  if (value % 2 != 0) throw std::invalid_argument("odd: " + std::to_string(value));
  return value;
}

template <class Pool>
struct results_streams : testing::Test {};
TYPED_TEST_SUITE(results_streams, both_pools, pool_names);

TYPED_TEST(results_streams, carry_the_id_and_the_value_or_the_error_of_each_task) {
  TypeParam pool(2);
  results<int> done;
  for (int i = 0; i < 20; ++i) done.submit(pool, {.id = "job " + std::to_string(i)}, odd_ones_fail, i);
  done.close();
  std::vector<std::string> ids;
  for (auto& r : done) {
    ids.push_back(r.id);
    EXPECT_GT(r.task, 0U);
    const int i = std::stoi(r.id.substr(4));
    EXPECT_EQ(r.ok(), i % 2 == 0);
    if (r) {
      EXPECT_EQ(r.get(), i);
      EXPECT_EQ(r.what(), "");
    } else {
      EXPECT_THROW(r.get(), std::invalid_argument);
      EXPECT_NE(r.what().find("odd: " + std::to_string(i)), std::string::npos);
    }
  }
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) expected.push_back("job " + std::to_string(i));
  EXPECT_TRUE(std::is_permutation(ids.begin(), ids.end(), expected.begin(), expected.end()));
  EXPECT_TRUE(done.has_ended());
  EXPECT_FALSE(done.next());
}

TYPED_TEST(results_streams, give_what_is_done_before_what_is_held) {
  TypeParam pool(2);
  results<int> done;
  {
    scratch files;
    done.submit(pool, hold, files("begun"), files("gate"), 1);
    ASSERT_TRUE(appears(files("begun")));
    for (int i = 2; i < 10; ++i) done.submit(pool, echo, i);
    done.close();
    for (int i = 2; i < 10; ++i) EXPECT_NE(done.next()->get(), 1);
    touch(files("gate"));
    EXPECT_EQ(done.next()->get(), 1);
  }
  EXPECT_FALSE(done.next());
}

// Ids that go in are those that come out, each once, whatever the sizes, readers, submitters, failures and
// cancels.
TYPED_TEST(results_streams, give_back_exactly_the_tasks_that_went_in) {
  std::mt19937_64 dice(seed_of_test());
  for (int round = 0; round < (long_tests() ? 60 : 6); ++round) {
    const std::size_t ahead = 1 + dice() % 50;
    const int submitters = 1 + static_cast<int>(dice() % 3), readers = 1 + static_cast<int>(dice() % 3);
    const int each = static_cast<int>(dice() % 400);
    TypeParam pool(2), other(1);
    results<int> done(ahead);
    std::mutex mutex;
    std::vector<std::string> in, out;
    std::atomic<std::size_t> most = 0, accepted = 0, taken = 0;
    std::vector<std::thread> threads;
    std::atomic<int> still_submitting = submitters;
    for (int s = 0; s < submitters; ++s)
      threads.emplace_back([&, s] {
        for (int i = 0; i < each; ++i) {
          const std::string id = std::to_string(s) + "/" + std::to_string(i);
          done.submit(i % 3 == 0 ? other : pool, {.id = id}, odd_ones_fail, i);
          const std::size_t now = ++accepted, gone = taken;  // in this order it is never more than there are
          most = std::max<std::size_t>(most, now - std::min(gone, now));
          const std::lock_guard lock(mutex);
          in.push_back(id);
        }
        if (--still_submitting == 0) done.close();
      });
    for (int r = 0; r < readers; ++r)
      threads.emplace_back([&] {
        while (auto next = done.next()) {
          ++taken;
          const std::lock_guard lock(mutex);
          out.push_back(next->id);
        }
      });
    for (auto& t : threads) t.join();
    std::sort(in.begin(), in.end());
    std::sort(out.begin(), out.end());
    EXPECT_EQ(in, out);
    EXPECT_LE(most, ahead + static_cast<std::size_t>(readers));  // and what each has in its hand
  }
}

TYPED_TEST(results_streams, make_the_submitter_wait_while_as_many_are_unread) {
  TypeParam pool(2);
  results<int> done(5);
  std::atomic<int> submitted = 0;
  std::thread submitter([&] {
    for (int i = 0; i < 40; ++i) {
      done.submit(pool, echo, i);
      ++submitted;
    }
    done.close();
  });
  EXPECT_TRUE(eventually([&] { return done.unread() == 5; }));
  EXPECT_FALSE(done.try_submit(pool, echo, 99));
  EXPECT_TRUE(eventually([&] { return submitted == 5; }));  // so the workers rest, though there is more to do
  EXPECT_EQ(pool.stats().submitted, 5U);
  EXPECT_TRUE(done.next().has_value());
  EXPECT_TRUE(eventually([&] { return submitted == 6; }));
  int count = 1;
  for (auto& r : done) count += r.ok() ? 1 : 0;
  EXPECT_EQ(count, 40);
  submitter.join();
}

TYPED_TEST(results_streams, end_after_the_last_result_when_the_pool_is_closed) {
  TypeParam pool(2);
  results<int> done;
  for (int i = 0; i < 30; ++i) done.submit(pool, echo, i);
  std::vector<int> values;
  std::thread reader([&] {
    for (auto& r : done) values.push_back(r.get());
  });
  pool.close();
  reader.join();
  EXPECT_EQ(values.size(), 30U);
  EXPECT_EQ(code_of([&] { done.submit(pool, echo, 1); }), error_code::pool_stopped);
}

TYPED_TEST(results_streams, of_two_pools_end_when_both_are_closed) {
  TypeParam one(1), two(1);
  results<int> done;
  done.submit(one, echo, 1);
  done.submit(two, echo, 2);
  one.close();
  EXPECT_TRUE(done.next() && done.next());
  EXPECT_FALSE(done.has_ended());
  EXPECT_FALSE(done.next_for(1ms));
  done.submit(two, echo, 3);
  EXPECT_EQ(done.next()->get(), 3);
  two.close();
  EXPECT_FALSE(done.next());
}

TYPED_TEST(results_streams, that_nobody_reads_hold_up_no_stop_and_are_counted) {
  std::optional<results<int>> done(std::in_place, 4);
  std::optional<error_code> told;
  std::thread submitter;
  {
    TypeParam pool(1);
    for (int i = 0; i < 4; ++i) done->submit(pool, echo, i);
    EXPECT_TRUE(eventually([&] { return done->unread() == 4; }));
    submitter = std::thread([&] { told = code_of([&] { done->submit(pool, echo, 4); }); });
    const stop_report report = pool.stop();
    EXPECT_FALSE(report.forced);
    EXPECT_EQ(report.unread, 4U);
    submitter.join();
  }
  EXPECT_EQ(told, error_code::pool_stopped);  // also the one who waited for room
  EXPECT_EQ(done->next()->get(), 0);          // the pool is gone; what was done can still be read
  EXPECT_EQ(done->discard(), 3U);
  EXPECT_FALSE(done->next());
}

TYPED_TEST(results_streams, tell_of_what_a_stop_has_cancelled) {
  results<int> done;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  done.submit(pool, until_stopped, files("begun"), files("seen"));
  ASSERT_TRUE(appears(files("begun")));
  for (int i = 0; i < 3; ++i) done.submit(pool, echo, i);
  pool.stop(0s);
  int stopped = 0, all = 0;
  for (auto& r : done) {
    ++all;
    stopped += code_of([&] { r.get(); }) == error_code::pool_stopped ? 1 : 0;
  }
  EXPECT_EQ(all, 4);
  EXPECT_GE(stopped, 3);
}

TYPED_TEST(results_streams, that_are_dropped_cancel_what_is_under_way) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .grace = 10s});
  scratch files;
  {
    results<int> done;
    done.submit(pool, until_stopped, files("begun"), files("seen"));
    ASSERT_TRUE(appears(files("begun")));
    done.submit(pool, note, files("log"), 1);
  }
  pool.wait_idle();
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_TRUE(lines_of(files("log")).empty());
}

TYPED_TEST(results_streams, give_back_the_place_of_a_task_that_was_refused) {
  TypeParam pool(
      options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 1, .when_full = when_full::reject}});
  results<int> done(3);
  blocker busy(pool);
  done.submit(pool, echo, 1);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(code_of([&] { done.submit(pool, echo, 2); }), error_code::queue_full);
  busy.open();
  EXPECT_EQ(done.next()->get(), 1);
  EXPECT_EQ(done.under_way() + done.unread(), 0U);
}

TYPED_TEST(results_streams, of_tasks_without_a_value_say_how_they_ended) {
  TypeParam pool(1);
  results<void> done;
  done.submit(pool, nothing);
  done.submit(pool, [] { throw std::runtime_error("no"); });
  done.close();
  int ok = 0, failed = 0;
  for (auto& r : done) ++(r ? ok : failed);
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(failed, 1);
}

TEST(results_streams_of_threads, are_read_and_fed_inside_a_task_of_their_own_pool) {
  thread_pool pool(1);
  auto sum = pool.submit([&pool] {
    results<int> done(2);
    int total = 0, submitted = 0;
    while (submitted < 50 && done.try_submit(pool, echo, submitted)) ++submitted;
    while (auto r = done.next()) {
      total += r->get();
      if (submitted < 50)
        done.submit(pool, echo, submitted++);
      else
        done.close();
    }
    return total;
  });
  EXPECT_EQ(sum.get(), 49 * 50 / 2);
}

TEST(results_streams_of_both_kinds, mix_threads_and_processes) {
  thread_pool threads(1);
  process_pool processes(1);
  results<int> done;
  done.submit(threads, process_id);
  done.submit(processes, process_id);
  done.close();
  std::vector<int> pids;
  for (auto& r : done) pids.push_back(r.get());
  ASSERT_EQ(pids.size(), 2U);
  EXPECT_NE(pids[0], pids[1]);
  EXPECT_TRUE(pids[0] == ::getpid() || pids[1] == ::getpid());
}

TEST(results_streams_of_both_kinds, keep_at_least_one) {
  EXPECT_EQ(code_of([] { const results<int> none(0); }), error_code::invalid_options);
}

}  // namespace
}  // namespace muster::test
