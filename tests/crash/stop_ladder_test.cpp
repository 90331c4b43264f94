// SPDX-License-Identifier: MIT
// Worker processes that shall end and do not at once: which signals they get, and what their own handlers may
// do.
#include <csignal>
#include <mutex>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

process_options with_ladder(std::vector<stop_signal> ladder) {
  return {.workers = {1},
          .grace = 10ms,
          .stop = std::move(ladder),
          .restart = {.first = 1ms, .max = 10ms},
          .worker_stderr = worker_stderr::keep};
}
const std::vector<stop_signal> patient_term = {{.signal = SIGTERM, .patience = watchdog}};

// The deaths of a pool, as its events tell them.
class deaths_of {
public:
  explicit deaths_of(process_pool& pool) : pool_(pool) {
    listens_ = pool.on([this](const event& e) {
      if (!e.death) return;
      const std::lock_guard lock(mutex_);
      all_.push_back(*e.death);
    });
  }
  ~deaths_of() { pool_.off(listens_); }
  deaths_of(const deaths_of&) = delete;
  [[nodiscard]] std::vector<death> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  [[nodiscard]] death first() {
    EXPECT_TRUE(eventually([&] { return !all().empty(); }));
    return all().at(0);
  }

private:
  process_pool& pool_;
  subscription listens_{};
  std::mutex mutex_;
  std::vector<death> all_;
};

std::string& log_of_this_worker() {
  static std::string path;
  return path;
}
void note_signal_and_exit(int signal) {
  append(log_of_this_worker(), std::to_string(signal));
  ::_exit(0);
}
void note_signal(int signal) { append(log_of_this_worker(), std::to_string(signal)); }

void handle_all(void (*handler)(int)) {
  log_of_this_worker() = std::getenv("TEST_LOG");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::signal(signal, handler);
}
void handle_and_exit() { handle_all(note_signal_and_exit); }
void handle_and_return() { handle_all(note_signal); }
void ignore_term() { ::signal(SIGTERM, SIG_IGN); }

class first_signal : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(is, first_signal, testing::Values(SIGTERM, SIGINT, SIGHUP, SIGUSR1),
                         [](const auto& of) { return sigabbrev_np(of.param); });

TEST_P(first_signal, is_the_one_that_was_chosen) {
  scratch files;
  auto options = with_ladder({{.signal = GetParam(), .patience = watchdog}});
  options.init = handle_and_exit;
  options.env.set = {{"TEST_LOG", files("log")}};
  process_pool pool(options);
  deaths_of deaths(pool);
  auto f = pool.submit({.run_timeout = 20ms}, deaf, files("begun"), files("gate"));
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  const death how = deaths.first();
  EXPECT_EQ(lines_of(files("log")), (std::vector{std::to_string(GetParam())}));
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  EXPECT_EQ(how.exit_code, 0);
}

TEST(stop_ladder, a_handler_may_clean_up_when_the_pool_stops_and_that_is_no_crash) {
  for (const auto init : {handle_and_exit, handle_and_return}) {
    scratch files;
    auto options = with_ladder(patient_term);
    options.init = init;
    options.env.set = {{"TEST_LOG", files("log")}};
    process_pool pool(options);
    deaths_of deaths(pool);
    EXPECT_EQ(pool.submit(echo, 1).get(), 1);
    EXPECT_FALSE(exists(files("log"))) << "not before it ends";
    EXPECT_EQ(pool.stop().killed, 0U);
    EXPECT_EQ(lines_of(files("log")), (std::vector{std::to_string(SIGTERM)})) << "once";
    const death how = deaths.first();
    EXPECT_EQ(how.cause, death_cause::stopped);
    EXPECT_EQ(how.exit_code, 0);
    EXPECT_EQ(pool.stats().workers_died, 0U);
  }
}

TEST(stop_ladder, a_busy_worker_that_got_its_signal_when_the_pool_stopped_gets_no_other_when_it_ends) {
  scratch files;
  auto options = with_ladder(patient_term);
  options.init = handle_and_return;
  options.env.set = {{"TEST_LOG", files("log")}};
  process_pool pool(options);
  auto f = pool.submit(deaf, files("begun"), files("log"));
  ASSERT_TRUE(appears(files("begun")));
  const stop_report report = pool.stop(1ms);
  EXPECT_TRUE(report.forced);
  EXPECT_EQ(report.killed, 0U);
  EXPECT_EQ(outcome_of(f), error_code::pool_stopped);
  EXPECT_EQ(lines_of(files("log")), (std::vector{std::to_string(SIGTERM)}));
}

TEST(stop_ladder, a_handler_may_clean_up_when_its_worker_is_recycled_and_its_task_ends_before) {
  scratch files;
  auto options = with_ladder(patient_term);
  options.init = handle_and_return;
  options.env.set = {{"TEST_LOG", files("log")}};
  process_pool pool(options);
  auto f = pool.submit(hold, files("begun"), files("gate"), 4);
  ASSERT_TRUE(appears(files("begun")));
  std::thread recycler([&] { pool.recycle(); });
  EXPECT_EQ(pool.submit(echo, 2).get(), 2) << "by the new one";
  EXPECT_FALSE(exists(files("log")));
  touch(files("gate"));
  EXPECT_EQ(f.get(), 4);
  recycler.join();
  EXPECT_EQ(lines_of(files("log")), (std::vector{std::to_string(SIGTERM)}));
}

TEST(stop_ladder, who_ignores_the_signal_is_killed_after_the_patience) {
  scratch files;
  auto options = with_ladder({{.signal = SIGTERM, .patience = 300ms}});
  options.init = ignore_term;
  process_pool pool(options);
  deaths_of deaths(pool);
  const auto begin = std::chrono::steady_clock::now();
  auto f = pool.submit(deaf, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);
  const death how = deaths.first();
  EXPECT_EQ(how.cause, death_cause::cancelled);
  EXPECT_EQ(how.signal, SIGKILL);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 310ms);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(stop_ladder, sigkill_is_not_waited_for) {
  scratch files;
  auto options = with_ladder({{.signal = SIGKILL, .patience = 24h}});
  options.grace = 0ns;
  process_pool pool(options);
  auto f = pool.submit({.run_timeout = 20ms}, deaf, files("begun"), files("gate"));
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(stop_ladder, who_dies_by_the_signal_is_said_to_be_late_and_where_it_was) {
  scratch files;
  process_pool pool(with_ladder(patient_term));
  deaths_of deaths(pool);
  auto f = pool.submit({.run_timeout = 20ms}, deaf, files("begun"), files("gate"));
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  const death how = deaths.first();
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  EXPECT_EQ(how.signal, SIGTERM);
  if (!base::is_sanitized) {
    EXPECT_FALSE(how.backtrace.empty()) << how.text();
  }
}

// The task is over at the signal, and nothing more happens to its worker.
TEST(stop_ladder, a_worker_whose_task_ends_at_the_signal_lives_on) {
  scratch files;
  auto options = with_ladder(patient_term);
  options.workers = {1};
  options.init = handle_and_return;
  options.env.set = {{"TEST_LOG", files("log")}};
  process_pool pool(options);
  const int pid = pool.submit(process_id).get();
  auto f = pool.submit({.run_timeout = 20ms}, deaf, files("begun"), files("log"));
  auto behind = pool.submit(process_id);
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_EQ(behind.get(), pid);
  EXPECT_EQ(pool.submit(process_id).get(), pid);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(stop_ladder, impossible_steps_are_all_named) {
  process_options bad;
  bad.stop = {{SIGKILL, 1s},  {SIGSTOP, 1s}, {0, 1s},  {99, 1s},     {SIGRTMAX - 1, 1s},
              {SIGTERM, -1s}, {SIGTERM, 1s}, {33, 1s}, {SIGCONT, 1s}};
  try {
    process_pool pool(bad);
    FAIL();
  } catch (const invalid_options& e) {
    const std::string text = e.what();
    for (const char* part :
         {"stop = 9 of them", "stop[0].signal = 9", "stop[1].signal = 19", "stop[2].signal = 0",
          "stop[3].signal = 99", "stop[4].signal = 63", "stop[5].patience", "stop[6].signal = 15",
          "stop[7].signal = 33", "stop[8].signal = 18"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  }
}

}  // namespace
}  // namespace muster::test
