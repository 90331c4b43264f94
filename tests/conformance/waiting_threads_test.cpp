// SPDX-License-Identifier: MIT
// Threads that wait for what worker processes answer: they take it themselves, so the pool's own thread
// sleeps on; and whatever else happens in the meantime, each of them gets what it waits for.
#include <sched.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

std::set<std::string> threads_of_this_process() {
  std::set<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    all.insert(entry.path().filename());
  return all;
}

// How often the threads that were made since `before` have gone to sleep and woken.
std::uint64_t sleeps_of_new_threads(const std::set<std::string>& before) {
  std::uint64_t sum = 0;
  for (const std::string& thread : threads_of_this_process()) {
    if (before.contains(thread)) continue;
    std::ifstream status("/proc/self/task/" + thread + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("voluntary_ctxt_switches:")) sum += std::stoull(line.substr(line.find(':') + 1));
  }
  return sum;
}

process_options of_so_many(int count) {
  process_options options;
  options.workers = {count};
  options.restart = {.first = 1ms, .max = 10ms};
  return options;
}

std::string text_twice(const std::string& text) { return text + text; }
int throw_number(int number) { throw std::runtime_error("number " + std::to_string(number)); }
int log_number(int number) {
  muster::log(log_level::info, "number " + std::to_string(number));
  return number;
}

class waiting_threads_of : public testing::TestWithParam<int> {};

TEST(waiting_threads, take_their_answers_themselves_and_wake_no_other_thread_of_the_pool) {
  if (!base::can_wait_on_two()) GTEST_SKIP() << "this kernel does not let a thread sleep on two words";
  const auto before = threads_of_this_process();
  process_pool pool(of_so_many(1));
  EXPECT_EQ(pool.submit(echo, -1).get(), -1);
  const std::uint64_t slept = sleeps_of_new_threads(before);
  constexpr int calls = 500;
  for (int i = 0; i < calls; ++i) ASSERT_EQ(pool.submit(add, i, 1).get(), i + 1);
  // An answer may be there before anybody waits, and then the pool's thread is woken for it: some are, when
  // the machine has other work.
  EXPECT_LT(sleeps_of_new_threads(before) - slept, calls / 2);
}

// The first answer comes while both wait, and its thread goes: then the other reads, and wakes for its own.
TEST(waiting_threads, follow_one_another_as_readers) {
  if (!base::can_wait_on_two()) GTEST_SKIP() << "this kernel does not let a thread sleep on two words";
  const scratch files;
  const auto before = threads_of_this_process();
  process_options options = of_so_many(1);
  options.workers.at_once = 2;
  process_pool pool(options);
  EXPECT_EQ(pool.submit(echo, -1).get(), -1);
  std::uint64_t slept = 0;
  constexpr int rounds = 50;
  for (int i = 0; i < rounds; ++i) {
    const auto in_round = [&](const char* what) { return files(what + std::to_string(i)); };
    auto first = pool.submit(hold, in_round("a"), in_round("gate a"), 1);
    auto second = pool.submit(hold, in_round("b"), in_round("gate b"), 2);
    ASSERT_TRUE(appears(in_round("a")) && appears(in_round("b")));
    const auto both = threads_of_this_process();
    const std::uint64_t earlier = sleeps_of_new_threads(before);
    // Each has slept before we go on, so it sleeps on its answer: the first as the reader, the second in
    // line.
    std::thread one([&] { EXPECT_EQ(first.get(), 1); });
    EXPECT_TRUE(eventually([&] { return sleeps_of_new_threads(both) >= 1; }));
    const auto with_one = threads_of_this_process();
    std::thread two([&] { EXPECT_EQ(second.get(), 2); });
    EXPECT_TRUE(eventually([&] { return sleeps_of_new_threads(with_one) >= 1; }));
    touch(in_round("gate a"));
    one.join();
    touch(in_round("gate b"));
    two.join();
    slept += sleeps_of_new_threads(before) - earlier;
  }
  EXPECT_LT(slept, rounds / 2) << "the pool's own thread was woken for the second answers";
}

TEST(waiting_threads, whose_patience_ends_leave_nothing_behind) {
  const scratch files;
  process_pool pool(of_so_many(1));
  auto held = pool.submit(hold, files("begun"), files("gate"), 7);
  auto next = pool.submit(echo, 8);
  ASSERT_TRUE(appears(files("begun")));
  std::vector<std::jthread> others;
  for (int i = 0; i < 3; ++i)
    others.emplace_back([&] {
      for (int k = 0; k < 50; ++k) EXPECT_FALSE(next.wait_for(std::chrono::microseconds(200)));
    });
  for (int k = 0; k < 50; ++k) EXPECT_FALSE(held.wait_for(std::chrono::microseconds(200)));
  others.clear();
  touch(files("gate"));
  EXPECT_EQ(held.get(), 7);
  EXPECT_EQ(next.get(), 8);
}

TEST(waiting_threads, hear_of_a_death_and_of_what_runs_again) {
  process_options options = of_so_many(2);
  process_pool pool(options);
  for (int i = 0; i < 20; ++i) {
    auto dies = pool.submit(die, SIGKILL, 0);
    EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
    EXPECT_EQ(pool.submit(echo, i).get(), i);
  }
}

TEST(waiting_threads, wait_no_longer_than_their_pool_lives) {
  const scratch files;
  for (int i = 0; i < 20; ++i) {
    std::vector<future<int>> held;
    std::vector<std::thread> waiting;
    {
      process_options options = of_so_many(2);
      options.grace = 0ms;
      process_pool pool(options);
      for (int k = 0; k < 4; ++k) held.push_back(pool.submit(deaf, files("begun"), files("never")));
      for (auto& each : held)
        waiting.emplace_back([&each] { EXPECT_EQ(outcome_of(each), error_code::pool_stopped); });
      pool.terminate();
    }
    for (auto& each : waiting) each.join();
  }
}

INSTANTIATE_TEST_SUITE_P(at_once, waiting_threads_of, testing::Values(1, 3));

// What needs the pool's own thread comes to it though somebody else reads: exceptions, logs, output,
// descriptors, large results, continuations, chunks, and deaths.
TEST_P(waiting_threads_of, get_what_they_wait_for_whatever_the_others_wait_for) {
  const std::uint64_t seed = seed_of_test();
  process_options options = of_so_many(2);
  options.workers.at_once = GetParam();
  options.log = [](const log_line&) {};
  process_pool pool(options);
  std::vector<std::thread> threads;
  std::atomic<int> continued{0};
  constexpr int threads_count = 6, each = base::is_sanitized ? 100 : 300;
  std::atomic<int> asked{0};
  for (int n = 0; n < threads_count; ++n)
    threads.emplace_back([&, n] {
      std::mt19937_64 dice(seed + static_cast<std::uint64_t>(n));
      for (int i = 0; i < each; ++i) {
        switch (dice() % 8) {
          case 0: {
            const std::string text(dice() % 200'000, 'x');
            EXPECT_EQ(pool.submit(text_twice, text).get(), text + text);
            break;
          }
          case 1: {
            auto failing = pool.submit(throw_number, i);
            EXPECT_THROW(failing.get(), std::runtime_error);
            break;
          }
          case 2: EXPECT_EQ(pool.submit(log_number, i).get(), i); break;
          case 3: {
            auto captured =
                pool.submit({.capture = GetParam() == 1 ? capture::keep : capture::off}, log_number, i);
            EXPECT_EQ(captured.get(), i);
            break;
          }
          case 4: {
            ++asked;
            pool.submit(echo, i).then([&](int) { ++continued; }).wait();
            break;
          }
          case 5: {
            auto patient = pool.submit(echo, i);
            while (!patient.wait_for(std::chrono::microseconds(dice() % 300))) {}
            EXPECT_EQ(patient.get(), i);
            break;
          }
          default: EXPECT_EQ(pool.submit(add, i, n).get(), i + n);
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(continued, asked);
  pool.wait_idle();
  EXPECT_EQ(pool.stats().running, 0U);
}

// ---------------------------------------------------------------------------------------------------
// spinning

std::vector<int> usable_cpus() {
  cpu_set_t all;
  CPU_ZERO(&all);
  ::sched_getaffinity(0, sizeof all, &all);
  std::vector<int> found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &all)) found.push_back(cpu);
  return found;
}

std::uint64_t sleeps_of_this_thread() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return static_cast<std::uint64_t>(used.ru_nvcsw);
}

TEST(spinning, threads_and_workers_on_two_cpus_do_not_sleep_between_calls) {
  const auto cpus = usable_cpus();
  if (cpus.size() < 2 || !base::can_wait_on_two()) GTEST_SKIP() << "it takes two processors, and futex_waitv";
  process_options options = of_so_many(1);
  options.spin = 10ms;
  options.cpus = {cpus[1]};
  process_pool pool(options);
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpus[0]), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
    const std::uint64_t before = sleeps_of_this_thread();
    constexpr int calls = 200;
    for (int i = 0; i < calls; ++i) ASSERT_EQ(pool.submit(echo, i).get(), i);
    EXPECT_LT(sleeps_of_this_thread() - before, calls / 2);
  }).join();
}

TEST(spinning, ends_where_nothing_comes) {
  process_options options = of_so_many(2);
  options.spin = 10ms;
  process_pool pool(options);
  const pid_t worker = pool.submit(process_id).get();
  EXPECT_TRUE(eventually([&] { return state_of(worker).state == 'S'; }));
}

TEST(spinning, changes_nothing_else) {
  process_options options = of_so_many(2);
  options.spin = 1ms;
  process_pool pool(options);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pool.submit(add, i, 1).get(), i + 1);
    auto failing = pool.submit(throw_number, i);
    EXPECT_THROW(failing.get(), std::runtime_error);
    EXPECT_EQ(pool.submit(log_number, i).get(), i);
    auto late =
        pool.submit({.run_timeout = 1ms}, until_stopped, std::string("/dev/null"), std::string("/dev/null"));
    EXPECT_EQ(outcome_of(late), error_code::task_timeout);
    if (i % 10 != 0) continue;
    auto dies = pool.submit(die, SIGKILL, 0);
    EXPECT_EQ(outcome_of(dies), error_code::unexpected_exit);
  }
  EXPECT_FALSE(pool.stop().forced);
}

}  // namespace
}  // namespace muster::test
