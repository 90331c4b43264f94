// SPDX-License-Identifier: MIT
// Workers that fail at each step of their life, in every way, ordered by the faults that users have too: only
// what had begun fails, and it fails once.
#include <string>
#include <tuple>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

struct ending {
  const char* name;
  fault_action action;
  int number;
};

constexpr ending endings[] = {
    {"exit_0", fault_action::exit, 0},
    {"exit_1", fault_action::exit, 1},
    {"sigsegv", fault_action::raise, SIGSEGV},
    {"sigabrt", fault_action::raise, SIGABRT},
    {"sigkill", fault_action::raise, SIGKILL},
    {"stopped_then_killed", fault_action::raise, SIGSTOP},
    {"out_of_memory", fault_action::exhaust_memory, 0},
};

constexpr std::size_t small = 10, large = 200 * 1'024;  // bytes of a result; a large one travels as a file
std::string text_of(std::size_t size) { return std::string(size, 'x'); }

process_options one_worker() {
  return {.workers = {1}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep};
}

// Kills the worker when it has stopped, or waits until it was ended because nobody could see it stop.
template <class F>
void kill_the_stopped(process_pool& pool, F meanwhile) {
  EXPECT_TRUE(eventually([&] {
    meanwhile();
    const stats now = pool.stats();
    for (const worker_stats& w : now.workers) {
      if (w.generation != 1 || w.pid == 0 || state_of(w.pid).state != 'T') continue;
      signal_process(w.pid, SIGKILL);
      return true;
    }
    return now.workers_started > 1 && now.workers.front().generation > 1;
  }));
}

class a_worker_that_ends : public testing::TestWithParam<std::tuple<fault_step, ending>> {};
INSTANTIATE_TEST_SUITE_P(at, a_worker_that_ends,
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

// From its claim until its answer can be seen a call has begun, and nobody else may run it.
bool has_begun(fault_step at) { return at >= fault_step::claimed && at <= fault_step::written; }

TEST_P(a_worker_that_ends, fails_what_it_had_begun_once_and_nothing_else) {
  const auto& [at, how] = GetParam();
  const bool exhausts = how.action == fault_action::exhaust_memory;
  if (exhausts && base::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory than any sensible limit";
  if (exhausts && at == fault_step::born) GTEST_SKIP() << "it has no limit yet, so this fault is refused";
  const with_patience impatient({.claim = 300ms});
  process_options options = one_worker();
  options.faults = {{.at = at, .action = how.action, .number = how.number}};
  if (exhausts) options.limits.memory = 128_MiB;
  const bool stops = how.number == SIGSTOP;
  if (stops && at <= fault_step::told_ready) options.ready_timeout = 500ms;  // nobody else would notice
  process_pool pool(options);
  pool.on(event_kind::degraded, [](const event&) {});  // it is, for a moment

  std::vector<future<std::string>> calls;
  for (std::size_t i = 0; i < 20; ++i) calls.push_back(pool.submit(text_of, i == 0 ? large : small));
  // A worker that finds enough to do when it comes does not sleep, and so is not woken, until later.
  std::vector<future<int>> more;
  const auto wake = [&] {
    if (at == fault_step::woken && (more.empty() || more.back().wait_for(0ns)))
      more.push_back(pool.submit(echo, 3));
  };
  if (at == fault_step::leaving) {
    pool.wait_idle();
    std::thread killer;
    if (stops) killer = std::thread([&] { kill_the_stopped(pool, [] {}); });
    const recycle_report report = pool.recycle();
    EXPECT_EQ(report.replaced, 1U) << report.why;
    if (killer.joinable()) killer.join();
  } else if (stops) {
    kill_the_stopped(pool, wake);
  }

  std::size_t failed = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    ASSERT_TRUE(calls[i].wait_for(watchdog)) << "call " << i;
    const auto code = outcome_of(calls[i]);
    if (!code) continue;
    EXPECT_EQ(*code, error_code::unexpected_exit) << "call " << i;
    EXPECT_EQ(i, 0U) << "only the first call had begun";
    ++failed;
  }
  EXPECT_EQ(failed, has_begun(at) ? 1U : 0U);
  // The fault did strike, and its victim has a successor that is well.
  EXPECT_TRUE(eventually([&] {
    wake();
    const stats now = pool.stats();
    return now.workers_started >= 2 && ready_workers(pool) == 1;
  }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  for (auto& f : more) EXPECT_EQ(f.get(), 3);
  expect_all_settled(pool, 30 + more.size() - failed, failed, 0);
}

std::size_t length_of(std::string text) { return text.size(); }

// A call that was taken back has left its arguments in the worker's socket. They are never read, which the
// kernel tells us before it gives us what the worker has sent.
TEST(a_worker_that_dies, with_mail_it_never_read_has_answered_what_it_answered) {
  process_options options = one_worker();
  options.strategy = strategy::fewest;
  options.callbacks = [](std::function<void()> work) { work(); };  // by the pool's loop, which they hold up
  options.faults = {{.at = fault_step::rung, .nth = 2}};
  process_pool pool(options);
  scratch files;
  auto first = pool.submit(hold, files("begun"), files("gate"), 1);
  ASSERT_TRUE(appears(files("begun")));
  const pid_t worker = pool.stats().workers.at(0).pid;
  auto answered = pool.submit(text_of, large);
  auto taken_back = pool.submit(length_of, text_of(large));
  ASSERT_TRUE(eventually([&] { return pool.stats().running == 3; }));
  taken_back.cancel();
  EXPECT_EQ(outcome_of(taken_back), error_code::cancelled);
  auto held_up = first.then([worker](int) { return eventually([&] { return !lives(worker); }); });
  touch(files("gate"));
  EXPECT_TRUE(held_up.get());
  EXPECT_EQ(answered.get().size(), large);
}

// What a worker says and what its zygote says of it come by two ways. The zygote is held up here until the
// worker has said that it is ready.
TEST(a_worker, is_not_up_before_it_is_known_which_process_it_is) {
  process_pool warm(1);
  const pid_t zygote = state_of(warm.submit(process_id).get()).parent;
  const auto is_stopped = [](pid_t process) { return state_of(process).state == 'T'; };
  process_options options = one_worker();
  options.faults = {{.at = fault_step::born, .number = SIGSTOP},
                    {.at = fault_step::told_ready, .number = SIGSTOP}};
  process_pool pool(options);
  auto call = pool.submit(process_id);
  pid_t worker = 0;
  ASSERT_TRUE(eventually([&] {
    for (const pid_t each : descendants_of(zygote))
      if (is_stopped(each)) worker = each;
    return worker != 0;
  }));
  signal_process(zygote, SIGSTOP);
  ASSERT_TRUE(eventually([&] { return is_stopped(zygote); }));
  signal_process(worker, SIGCONT);
  ASSERT_TRUE(eventually([&] { return is_stopped(worker); }));
  EXPECT_FALSE(eventually([&] { return pool.stats().workers.at(0).state != worker_state::starting; }, 100ms));
  signal_process(zygote, SIGCONT);
  signal_process(worker, SIGCONT);
  EXPECT_EQ(call.get(), worker);
  EXPECT_EQ(pool.stats().workers.at(0).pid, worker);
  EXPECT_EQ(pool.stats().workers_started, 1U);
}

TEST(a_fault, drops_the_word_that_a_worker_is_ready_and_it_is_replaced) {
  process_options options = one_worker();
  options.ready_timeout = 300ms;
  options.faults = {{.at = fault_step::telling_ready, .action = fault_action::drop}};
  process_pool pool(options);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_GE(pool.stats().workers_started, 2U);
}

TEST(a_fault, drops_an_answer_and_the_call_is_late) {
  process_options options = one_worker();
  options.faults = {{.at = fault_step::answering, .action = fault_action::drop}};
  process_pool pool(options);
  auto first = pool.submit({.run_timeout = 500ms}, echo, 1);
  EXPECT_EQ(outcome_of(first), error_code::task_timeout);
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

TEST(a_fault, drops_the_file_of_an_answer_and_the_worker_is_ended_for_it) {
  process_options options = one_worker();
  options.faults = {{.at = fault_step::sending_parcel, .action = fault_action::drop}};
  process_pool pool(options);
  auto first = pool.submit(text_of, large);
  EXPECT_EQ(outcome_of(first), error_code::protocol_violation);
  EXPECT_EQ(pool.submit(text_of, large).get().size(), large);
}

TEST(a_fault, drops_the_bell_and_the_answer_is_seen_with_the_next_one) {
  process_options options = one_worker();
  options.faults = {{.at = fault_step::answered, .action = fault_action::drop}};
  process_pool pool(options);
  auto first = pool.submit(echo, 1);
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
  EXPECT_EQ(first.get(), 1);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(a_fault, delays_a_call_by_as_long_as_it_says) {
  process_options options = one_worker();
  options.faults = {{.at = fault_step::calling, .action = fault_action::delay, .pause = 50ms, .nth = 2}};
  process_pool pool(options);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
}

TEST(a_fault, hangs_a_call_until_its_run_timeout) {
  process_options options = one_worker();
  options.faults = {{.at = fault_step::calling, .action = fault_action::hang}};
  process_pool pool(options);
  auto first = pool.submit({.run_timeout = 50ms}, echo, 1);
  EXPECT_EQ(outcome_of(first), error_code::task_timeout);
  EXPECT_EQ(pool.submit(echo, 2).get(), 2);
}

TEST(a_fault, strikes_only_where_it_shall) {
  process_options options = one_worker();
  options.workers = {2};
  options.faults = {{.at = fault_step::before_init, .slot = 1, .generations = 3},
                    {.at = fault_step::before_init, .slot = 7, .generations = std::nullopt}};
  process_pool pool(options);
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  for (const worker_stats& w : pool.stats().workers) EXPECT_EQ(w.generation, w.slot == 1 ? 4U : 1U);
}

TEST(a_fault, in_every_generation_makes_the_pool_degraded_until_it_is_stopped) {
  process_options options = one_worker();
  options.faults = {
      {.at = fault_step::after_init, .action = fault_action::exit, .number = 3, .generations = std::nullopt}};
  process_pool pool(options);
  auto f = pool.submit(echo, 1);
  EXPECT_TRUE(eventually([&] { return pool.stats().degraded && pool.stats().workers_started >= 3; }));
  EXPECT_EQ(pool.stop(10ms).forced, true);
  EXPECT_TRUE(outcome_of(f).has_value());
}

}  // namespace
}  // namespace muster::test
