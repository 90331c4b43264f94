// SPDX-License-Identifier: MIT
// Several tasks that run at the same time in one worker process. What makes them run at once is never a
// pause: they wait for each other.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

process_options one_worker(int at_once) {
  return {.workers = {.min = 1, .max = 1, .at_once = at_once}, .worker_stderr = worker_stderr::keep};
}

// Comes back when so many have come there, and not before.
bool meet(const std::string& place, int who, int count) {
  touch(place + std::to_string(who));
  return eventually([&] {
    for (int i = 0; i < count; ++i)
      if (!exists(place + std::to_string(i))) return false;
    return true;
  });
}
int meet_in_process(std::string place, int who, int count) {
  if (!meet(place, who, count)) throw std::logic_error("the others did not come");
  return ::getpid();
}

// S40: they could not meet if one had to wait for another's end.
TEST(at_once, ten_tasks_of_one_process_run_at_the_same_time) {
  scratch files;
  process_pool pool(one_worker(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.submit(meet_in_process, files("m"), i, 10));
  const int pid = all[0].get();
  EXPECT_NE(pid, ::getpid());
  for (std::size_t i = 1; i < 10; ++i) EXPECT_EQ(all[i].get(), pid);
}

std::atomic<int> running = 0;
int how_many_run(int micros) {
  const int now = ++running;
  ::usleep(static_cast<useconds_t>(micros));
  --running;
  return now;
}

TEST(at_once, no_more_of_them_than_were_asked_for) {
  process_pool pool(one_worker(3));
  std::vector<future<int>> all;
  for (int i = 0; i < 300; ++i) all.push_back(pool.submit(how_many_run, 100));
  int most = 0;
  for (auto& f : all) most = std::max(most, f.get());
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

TEST(at_once, an_eleventh_begins_when_one_of_ten_has_ended) {
  scratch files;
  process_pool pool(one_worker(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 11; ++i) {
    const std::string n = std::to_string(i);
    all.push_back(pool.submit(hold, files("begun" + n), files("gate" + n), i));
  }
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(appears(files("begun" + std::to_string(i))));
  EXPECT_FALSE(exists(files("begun10")));
  touch(files("gate7"));
  EXPECT_TRUE(appears(files("begun10")));
  for (int i = 0; i < 11; ++i) touch(files("gate" + std::to_string(i)));
  for (int i = 0; i < 11; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

// S55, T1: each reply finds its own future, whatever came first.
TEST(at_once, replies_in_reverse_order_reach_their_callers) {
  scratch files;
  process_pool pool(one_worker(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    all.push_back(pool.submit(hold, files("begun" + n), files("gate" + n), 100 + i));
  }
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(appears(files("begun" + std::to_string(i))));
  for (std::size_t i = 10; i-- > 0;) {
    for (std::size_t earlier = 0; earlier < i; ++earlier) EXPECT_FALSE(all[earlier].wait_for(0ns));
    touch(files("gate" + std::to_string(i)));
    EXPECT_EQ(all[i].get(), 100 + static_cast<int>(i));
  }
}

std::pair<int, int> place_of(int micros) {
  const int now = ++running;
  ::usleep(static_cast<useconds_t>(micros));
  --running;
  return {::getpid(), now};
}

// S148, T36: the example of a README whose own library loses every result: a thousand calls, then stop.
TEST(at_once, a_thousand_calls_and_stop_right_after_them_give_a_thousand_results) {
  std::mt19937_64 dice(seed_of_test());
  process_pool pool({.workers = {.min = 1, .max = 5, .at_once = 10}, .strategy = strategy::fewest});
  std::vector<future<std::pair<int, int>>> all;
  for (int i = 0; i < 1'000; ++i) all.push_back(pool.submit(place_of, static_cast<int>(dice() % 10'000)));
  const stop_report report = pool.stop();
  EXPECT_FALSE(report.forced);
  std::set<int> pids;
  int most = 0;
  for (auto& f : all) {
    ASSERT_TRUE(f.wait_for(0ns));
    const auto [pid, beside] = f.get();
    pids.insert(pid);
    most = std::max(most, beside);
  }
  EXPECT_LE(pids.size(), 5U);
  EXPECT_GT(most, 1) << "many were in flight in one worker";
}

// The ring has 256 slots, and the long call keeps its own.
TEST(at_once, a_call_that_runs_for_long_does_not_hold_up_thousands_behind_it) {
  scratch files;
  process_pool pool(one_worker(3));
  auto first = pool.submit(hold, files("a"), files("gate"), 1);
  ASSERT_TRUE(appears(files("a")));
  // Of these some go through the slot, some through the byte ring, and some as files.
  const auto size_of = [](std::size_t i) { return i % 50 == 0 ? std::size_t{100'000} : i % 300; };
  const auto check = [&](std::size_t count) {
    for (std::size_t begin = 0; begin < count; begin += 500) {
      std::vector<future<std::string>> short_ones;
      for (std::size_t i = begin; i < begin + 500; ++i)
        short_ones.push_back(
            pool.submit([](std::string text) { return text; }, std::string(size_of(i), 'x')));
      for (std::size_t i = begin; i < begin + 500; ++i) {
        ASSERT_TRUE(short_ones[i - begin].wait_for(watchdog)) << i;
        ASSERT_EQ(short_ones[i - begin].get().size(), size_of(i));
      }
    }
  };
  check(2'000);
  auto second = pool.submit(hold, files("b"), files("gate"), 2);
  ASSERT_TRUE(appears(files("b")));
  check(2'000);
  EXPECT_FALSE(first.wait_for(0ns));
  touch(files("gate"));
  EXPECT_EQ(first.get(), 1);
  EXPECT_EQ(second.get(), 2);
  check(500);
  EXPECT_EQ(pool.stats().workers_started, 1U);
}

TEST(at_once, cancelling_one_of_ten_tells_that_one_alone) {
  scratch files;
  auto options = one_worker(10);
  options.grace = 1h;
  process_pool pool(options);
  std::vector<future<int>> all;
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    all.push_back(pool.submit(until_stopped, files("begun" + n), files("seen" + n)));
  }
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(appears(files("begun" + std::to_string(i))));
  all[4].cancel();
  EXPECT_EQ(all[4].get(), 1) << "what it gives within the grace is its outcome";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(exists(files("seen" + std::to_string(i))), i == 4) << i;
  // Several told at once.
  for (std::size_t i = 0; i < 10; ++i)
    if (i != 4) all[i].cancel();
  for (std::size_t i = 0; i < 10; ++i)
    if (i != 4) {
      EXPECT_EQ(all[i].get(), 1);
    }
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(at_once, what_each_task_says_is_about_that_task) {
  scratch files;
  auto options = one_worker(4);
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> said;  // by the task's id
  options.log = [&](const log_line& line) {
    const std::lock_guard lock(mutex);
    said[line.task_id].insert(line.text);
  };
  std::map<std::string, double> last;
  process_pool pool(options);
  std::vector<future<int>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(pool.submit(
        {.id = "task-" + std::to_string(i),
         .on_progress =
             [&](const task_progress& p) {
               const std::lock_guard lock(mutex);
               last[p.task_id] = p.fraction;
             }},
        [](context& about, std::string place, int who) {
          for (int round = 0; round < 5; ++round) {
            muster::log(log_level::info, about.id());
            about.log(log_level::info, std::string(about.id()) + " too");
            about.progress(0.1 * who);
            if (!meet(place + std::to_string(round) + "-", who, 4)) return -1;
          }
          about.progress(0.1 * who + 0.01);
          return who;
        },
        files("m"), i));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  pool.stop();
  const std::lock_guard lock(mutex);
  EXPECT_EQ(said.size(), 4U);
  for (const auto& [id, texts] : said) EXPECT_EQ(texts, (std::set<std::string>{id, id + " too"}));
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(last["task-" + std::to_string(i)], 0.1 * i + 0.01);
}

// Each stream waits for its own reader: the other one's word about what was taken is not for it.
TEST(at_once, streams_of_one_process_flow_at_the_pace_of_their_readers) {
  process_pool pool(one_worker(2));
  const auto count = [](yielder<int>& yield, int from) {
    for (int i = 0; i < 300; ++i)
      if (!yield(from + i)) return -1;
    return from;
  };
  auto a = pool.stream({.chunks_ahead = 3}, count, 0);
  auto b = pool.stream({.chunks_ahead = 2}, count, 1'000);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(a.next(), i);
    ASSERT_EQ(b.next(), 1'000 + i);
  }
  EXPECT_FALSE(a.next());
  EXPECT_FALSE(b.next());
  EXPECT_EQ(a.get(), 0);
  EXPECT_EQ(b.get(), 1'000);
}

TEST(at_once, descriptors_reach_the_calls_that_they_belong_to) {
  scratch files;
  process_pool pool(one_worker(8));
  std::vector<future<std::string>> all;
  for (int i = 0; i < 40; ++i) {
    const std::string path = files("f" + std::to_string(i));
    append(path, "of " + std::to_string(i));
    unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    all.push_back(pool.submit(
        [](unique_fd from) {
          char text[32] = {};
          (void)!::read(from.get(), text, sizeof text - 1);
          return std::string(text);
        },
        std::move(file)));
  }
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), "of " + std::to_string(i) + "\n");
}

TEST(at_once, a_worker_is_free_until_it_runs_as_many_as_it_may) {
  scratch files;
  process_pool pool({.workers = {.min = 1, .max = 2, .at_once = 3}});
  std::vector<future<int>> held;
  const auto hold_one = [&](int i) {
    const std::string n = std::to_string(i);
    held.push_back(pool.submit(hold, files("begun" + n), files("gate"), i));
    ASSERT_TRUE(appears(files("begun" + n)));
  };
  for (int i = 0; i < 3; ++i) hold_one(i);
  EXPECT_EQ(pool.stats().workers_started, 1U);
  hold_one(3);
  EXPECT_EQ(pool.stats().workers_started, 2U);
  touch(files("gate"));
  for (auto& f : held) (void)f.get();
}

TEST(at_once, a_worker_that_is_replaced_ends_all_it_runs_first) {
  scratch files;
  process_pool pool(one_worker(4));
  std::vector<future<int>> old;
  for (int i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    old.push_back(pool.submit(hold, files("begun" + n), files("gate" + n), i));
    ASSERT_TRUE(appears(files("begun" + n)));
  }
  const int before = pool.stats().workers.at(0).pid;
  std::thread recycler([&] { EXPECT_EQ(pool.recycle().replaced, 1U); });
  int after = before;
  EXPECT_TRUE(eventually([&] { return (after = pool.submit(process_id).get()) != before; }));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(lives(before));
    touch(files("gate" + std::to_string(i)));
    EXPECT_EQ(old[i].get(), static_cast<int>(i));
  }
  recycler.join();
  EXPECT_TRUE(eventually([&] { return !lives(before); }));
  expect_all_settled(pool, pool.stats().submitted, 0, 0);
}

TEST(at_once, a_task_that_ends_its_worker_lets_those_beside_it_end) {
  scratch files;
  auto options = one_worker(3);
  options.workers.max = 2;  // its successor comes while it still runs the others
  process_pool pool(options);
  std::vector<future<int>> beside;
  for (int i = 0; i < 2; ++i) {
    const std::string n = std::to_string(i);
    beside.push_back(pool.submit(hold, files("begun" + n), files("gate"), i));
    ASSERT_TRUE(appears(files("begun" + n)));
  }
  const int pid = pool.submit([] {
                        this_worker::end_after_task("it is broken");
                        return ::getpid();
                      })
                      .get();
  for (int i = 0; i < 20; ++i) EXPECT_NE(pool.submit(process_id).get(), pid);
  EXPECT_TRUE(lives(pid));
  touch(files("gate"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(beside[static_cast<std::size_t>(i)].get(), i);
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

std::atomic<int> initialised = 0;
TEST(at_once, hooks_run_once_for_a_process_and_the_check_beside_no_task) {
  scratch files;
  auto options = one_worker(4);
  options.init = [] { ++initialised; };
  options.health = {.interval = 5ms, .failures = 1'000, .check = [] { return running == 0; }};
  process_pool pool(options);
  std::vector<future<int>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(pool.submit(
        [](std::string place, int who) {
          ++running;
          const bool met = meet(place, who, 4);
          ::usleep(20'000);
          --running;
          return met ? initialised.load() : -1;
        },
        files("m"), i));
  for (auto& f : all) EXPECT_EQ(f.get(), 1);
  for (int i = 0; i < 300; ++i) (void)pool.submit(how_many_run, 100).get();
  EXPECT_EQ(pool.stats().workers_started, 1U) << "a check that saw a task would have had it replaced";
}

TEST(at_once, has_a_range_and_excludes_what_needs_a_process_for_one_task) {
  const auto why = [](auto make) -> std::string {
    try {
      make();
    } catch (const invalid_options& e) {
      return e.what();
    }
    return {};
  };
  for (const int n : {0, -1, 65})
    EXPECT_NE(why([&] { process_pool pool(one_worker(n)); }).find("workers.at_once = " + std::to_string(n)),
              std::string::npos);
  EXPECT_NE(
      why([] { thread_pool pool({.workers = {.min = 1, .at_once = 2}}); }).find("a thread runs one task"),
      std::string::npos);
  auto options = one_worker(2);
  options.lifetime = lifetime::per_task;
  EXPECT_NE(why([&] { process_pool pool(options); }).find("workers.at_once = 2"), std::string::npos);
  process_pool pool(one_worker(2));
  EXPECT_NE(why([&] { (void)pool.submit({.capture = capture::keep}, echo, 1); }).find("at_once = 1"),
            std::string::npos);
  thread_pool usual({.workers = {.min = 1, .at_once = 1}});
  EXPECT_EQ(usual.submit(echo, 1).get(), 1);
}

}  // namespace
}  // namespace muster::test
