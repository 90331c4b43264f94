// SPDX-License-Identifier: MIT
// Worker processes that run several tasks at once and end, in every way: those that had begun fail with one
// death, all others are well. And such workers that do not keep the protocol.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <memory>
#include <tuple>

#include "base/socket.hpp"
#include "ipc/birth.hpp"
#include "ipc/last_words.hpp"
#include "ipc/messages.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {

#if defined(__clang__)
#define NOT_INLINED __attribute__((noinline))
#else
#define NOT_INLINED __attribute__((noipa))
#endif

volatile int seen_here = 0;
NOT_INLINED int late_one(std::string begun) {
  touch(begun);
  for (;;) ::usleep(1'000);
  return seen_here;
}
NOT_INLINED int write_to_nowhere_beside_others() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
  return seen_here;
}

namespace {

process_options one_worker(int at_once) {
  return {.workers = {.min = 1, .max = 1, .at_once = at_once},
          .grace = 20ms,
          .restart = {.first = 1ms, .max = 10ms},
          .worker_stderr = worker_stderr::keep};
}

std::string shown(const death& how) {
  std::string all;
  for (const auto& frame : how.backtrace) all += frame.function + "\n";
  return all + how.backtrace_missing;
}

// Calls that are held in one worker, each known to run there.
struct held_calls {
  held_calls(process_pool& pool, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string n = std::to_string(i);
      all.push_back(pool.submit({.id = "held-" + n}, hold, files("begun" + n), files("gate"), i));
    }
    for (int i = 0; i < count; ++i) EXPECT_TRUE(appears(files("begun" + std::to_string(i))));
  }
  scratch files;
  std::vector<future<int>> all;
};

// Promise 5 and 6: exactly those that had begun, each with the death that they share.
TEST(at_once, a_crash_among_ten_fails_those_ten_with_one_death_and_nobody_else) {
  process_pool pool(one_worker(10));
  held_calls nine(pool, 9);
  auto tenth = pool.submit(
      {.id = "the-tenth"},
      [](std::string begun, std::string gate) {
        touch(begun);
        (void)appears(gate);
        return write_to_nowhere_beside_others();
      },
      nine.files("tenth"), nine.files("crash"));
  ASSERT_TRUE(appears(nine.files("tenth")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 50; ++i) behind.push_back(pool.submit(echo, i));
  touch(nine.files("crash"));
  nine.all.push_back(std::move(tenth));
  std::shared_ptr<const death> first;
  std::vector<std::string> failed;
  for (auto& f : nine.all) {
    try {
      (void)f.get();
      ADD_FAILURE() << "it had begun in a process that crashed";
    } catch (const unexpected_exit& e) {
      EXPECT_EQ(e.death().signal, SIGSEGV);
      EXPECT_EQ(e.death().generation, 1U);
      ASSERT_EQ(e.death().tasks.size(), 10U);
      failed.push_back(e.subject().task_id);
      if (!base::is_sanitized) {
        const auto& trace = e.death().backtrace;
        EXPECT_TRUE(std::ranges::any_of(trace, [](const auto& frame) {
          return frame.function.find("write_to_nowhere_beside_others") != std::string::npos;
        })) << shown(e.death());
      }
      for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(e.death().tasks[i].task_id, "held-" + std::to_string(i));
      EXPECT_EQ(e.death().tasks[9].task_id, "the-tenth");
    }
  }
  EXPECT_EQ(failed.back(), "the-tenth");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
  expect_all_settled(pool, 50, 10, 0);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

TEST(at_once, a_stack_that_overflows_on_a_thread_of_a_worker_is_explained) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer reports it itself";
  process_pool pool(one_worker(4));
  held_calls beside(pool, 3);  // so that it is not the main thread's alone
  for (int round = 0; round < 1; ++round) {
    auto f = pool.submit([] {
      struct deep {
        static int down(int n) {
          volatile char room[4'096];
          room[n % 4'096] = 1;
          return seen_here < 0 ? 0 : down(n + 1) + room[0];
        }
      };
      return deep::down(1);
    });
    try {
      (void)f.get();
      FAIL();
    } catch (const unexpected_exit& e) {
      EXPECT_EQ(e.death().detail, "its stack overflowed");
    }
  }
}

TEST(at_once, a_task_past_its_run_timeout_takes_those_beside_it_along_and_nobody_else) {
  process_pool pool(one_worker(3));
  held_calls beside(pool, 2);
  auto late = pool.submit({.run_timeout = 100ms}, late_one, beside.files("late"));
  std::vector<future<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.submit(echo, i));
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  for (auto& f : beside.all) {
    try {
      (void)f.get();
      ADD_FAILURE();
    } catch (const unexpected_exit& e) {
      EXPECT_EQ(e.death().cause, death_cause::run_timeout);
      if (!base::is_sanitized) {
        const bool names_it = std::ranges::any_of(e.death().backtrace, [](const auto& frame) {
          return frame.function.find("late_one") != std::string::npos;
        });
        EXPECT_TRUE(names_it) << "it was asked about the late one, not about another thread\n"
                              << shown(e.death());
      }
    }
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
  expect_all_settled(pool, 20, 3, 0);
}

// The run time of a call counts from when it could begin: those that wait behind are not late.
TEST(at_once, the_run_time_of_a_call_that_waits_behind_others_does_not_count) {
  process_pool pool(one_worker(2));
  held_calls both(pool, 2);
  std::vector<future<int>> behind;
  for (int i = 0; i < 3; ++i) behind.push_back(pool.submit({.run_timeout = 200ms}, echo, i));
  EXPECT_FALSE(eventually([&] { return behind[0].wait_for(0ns) || behind[2].wait_for(0ns); }, 500ms));
  touch(both.files("gate"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
}

TEST(at_once, a_deaf_task_that_is_cancelled_is_killed_with_those_beside_it) {
  process_pool pool(one_worker(3));
  held_calls beside(pool, 2);
  auto f = pool.submit(deaf, beside.files("deaf"), beside.files("gate"));
  ASSERT_TRUE(appears(beside.files("deaf")));
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);
  for (auto& each : beside.all) EXPECT_EQ(outcome_of(each), error_code::unexpected_exit);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  expect_all_settled(pool, 1, 2, 1);
}

// --------------------------------------------------------------------------------------- every step of it

struct ending {
  const char* name;
  fault_action action;
  int number;
};
constexpr ending endings[] = {{"exit_0", fault_action::exit, 0},
                              {"sigsegv", fault_action::raise, SIGSEGV},
                              {"sigkill", fault_action::raise, SIGKILL}};

class a_worker_of_four : public testing::TestWithParam<std::tuple<fault_step, ending>> {};
INSTANTIATE_TEST_SUITE_P(ends_at, a_worker_of_four,
                         testing::Combine(testing::ValuesIn([] {
                                            std::vector<fault_step> all;
                                            for (std::size_t i = 0; i < fault_steps; ++i)
                                              all.push_back(static_cast<fault_step>(i));
                                            return all;
                                          }()),
                                          testing::ValuesIn(endings)),
                         [](const auto& of) {
                           return std::string(name(std::get<0>(of.param))) + "_by_" +
                                  std::get<1>(of.param).name;
                         });

std::string text_of(std::size_t size) { return std::string(size, 'x'); }

TEST_P(a_worker_of_four, fails_what_it_had_begun_once_and_nothing_else) {
  const auto& [at, how] = GetParam();
  auto options = one_worker(4);
  options.faults = {{.at = at, .action = how.action, .number = how.number}};
  process_pool pool(options);
  pool.on(event_kind::degraded, [](const event&) {});  // it is, for a moment
  std::vector<future<std::string>> calls;
  for (std::size_t i = 0; i < 20; ++i) calls.push_back(pool.submit(text_of, i == 0 ? 200 * 1'024 : 10));
  std::vector<future<int>> more;
  if (at == fault_step::leaving) {
    pool.wait_idle();
    EXPECT_EQ(pool.recycle().replaced, 1U);
  }
  std::size_t failed = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    ASSERT_TRUE(calls[i].wait_for(watchdog)) << "call " << i;
    const auto code = outcome_of(calls[i]);
    if (!code) continue;
    EXPECT_EQ(*code, error_code::unexpected_exit) << "call " << i;
    ++failed;
  }
  EXPECT_LE(failed, 4U);
  const bool has_begun = at >= fault_step::claimed && at <= fault_step::written;
  if (has_begun) {
    EXPECT_GE(failed, 1U);
  }
  if (at <= fault_step::told_ready || at == fault_step::leaving) {
    EXPECT_EQ(failed, 0U);
  }
  // The fault did strike: a worker that finds enough to do does not sleep, and is not woken, until later.
  EXPECT_TRUE(eventually([&] {
    if (at == fault_step::woken && (more.empty() || more.back().wait_for(0ns)))
      more.push_back(pool.submit(echo, 3));
    return pool.stats().workers_started >= 2 && ready_workers(pool) == 1;
  }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  std::size_t lost = 0;  // a ring of the bell and a claim may come together
  for (auto& f : more) lost += outcome_of(f).has_value() ? 1U : 0U;
  expect_all_settled(pool, 30 + more.size() - failed - lost, failed + lost, 0);
}

// ------------------------------------------------------------------------------------------------- liars

ipc::reply_memory* shared_memory() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    if (line.find("muster-replies") != std::string::npos &&
        std::sscanf(line.c_str(), "%" SCNxPTR, &from) == 1)
      return reinterpret_cast<ipc::reply_memory*>(from);
  }
  return nullptr;
}

// Replies of an int to these positions, as the first that this worker ever gives; then it stays.
int reply_to(std::vector<std::uint64_t> positions) {
  ipc::reply_region& rings = shared_memory()->rings;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    auto& slot = rings.slots[i];
    slot.position.set(positions[i]);
    slot.size.set(0);
    slot.status.set(static_cast<std::uint32_t>(ipc::reply_status::refused));
    slot.carrier.set(0);
    slot.offset.set(0);
    slot.published.store(i + 1);
  }
  const std::uint64_t one = 1;
  (void)!::write(ipc::first_worker_descriptor + 4, &one, sizeof one);
  for (;;) ::pause();
}

struct lie {
  const char* name;
  std::vector<std::uint64_t> positions;  // of the two held calls 0 and 1, the liar 2, three that wait 3..5
  std::size_t answered;                  // of the held calls, with the lie itself
};
class a_liar_of_three : public testing::TestWithParam<lie> {};
INSTANTIATE_TEST_SUITE_P(who, a_liar_of_three,
                         testing::Values(lie{"answers_twice", {1, 1}, 1},
                                         lie{"answers_for_a_position_it_was_not_handed", {1'000}, 0},
                                         lie{"answers_for_a_later_round_of_a_slot", {256}, 0},
                                         lie{"answers_in_odd_order_and_then_twice", {1, 0, 1}, 2}),
                         [](const auto& of) { return std::string(of.param.name); });

TEST_P(a_liar_of_three, is_killed_for_it_and_what_had_not_begun_moves_on) {
  process_pool pool(one_worker(3));
  held_calls beside(pool, 2);
  auto liar = pool.submit(reply_to, GetParam().positions);
  std::vector<future<int>> behind;
  for (int i = 0; i < 10; ++i) behind.push_back(pool.submit(echo, i));
  EXPECT_EQ(outcome_of(liar), error_code::protocol_violation);
  std::size_t answered = 0;
  for (auto& f : beside.all) {
    const auto code = outcome_of(f);
    EXPECT_TRUE(code == error_code::protocol_violation || code == error_code::invalid_call);
    answered += code == error_code::invalid_call ? 1U : 0U;
  }
  EXPECT_EQ(answered, GetParam().answered);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

// ------------------------------------------------------------------------------------------------ a storm

TEST(at_once, a_storm_of_kills_settles_every_task_once) {
  std::mt19937_64 dice(seed_of_test());
  const int tasks = long_tests() ? 100'000 : base::is_sanitized ? 3'000 : 10'000;
  auto options = one_worker(4);
  options.workers = {.min = 3, .max = 3, .at_once = 4};
  options.queue.capacity = std::nullopt;
  process_pool pool(options);
  std::vector<future<int>> all;
  for (int i = 0; i < tasks; ++i)
    all.push_back(pool.submit(
        [](int value, int micros) {
          if (micros > 0) ::usleep(static_cast<useconds_t>(micros));
          return value;
        },
        i, static_cast<int>(dice() % 8 == 0 ? dice() % 2'000 : 0)));
  std::atomic<bool> over = false;
  std::size_t kills = 0;
  std::thread killer([&] {
    while (!over) {
      for (const worker_stats& w : pool.stats().workers)
        if (w.pid != 0 && w.task != 0 && dice() % 3 == 0 && signal_process(w.pid, SIGKILL)) ++kills;
      ::usleep(5'000);
    }
  });
  std::size_t values = 0, failed = 0;
  for (int i = 0; i < tasks; ++i) {
    auto& f = all[static_cast<std::size_t>(i)];
    ASSERT_TRUE(f.wait_for(watchdog)) << i;
    const auto code = code_of([&] { EXPECT_EQ(f.get(), i); });
    EXPECT_TRUE(!code || *code == error_code::unexpected_exit);
    (code ? failed : values) += 1;
  }
  over = true;
  killer.join();
  expect_all_settled(pool, values, failed, 0);
  EXPECT_LE(failed, 4 * pool.stats().workers_died);
  std::printf("%zu values, %zu failed, %zu kills\n", values, failed, kills);
}

}  // namespace
}  // namespace muster::test
