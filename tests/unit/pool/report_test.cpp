// SPDX-License-Identifier: MIT
//
// future::report, and pool_base::cancel_queued, which leaves alone what has begun.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <muster/pool.hpp>

namespace {

using namespace std::chrono_literals;

int same(int x) { return x; }
int die_once(muster::context& about) {
  if (about.attempt() == 1) ::raise(SIGKILL);
  return about.attempt();
}

/// Blocks until somebody opens the named pipe for writing and closes it again.
int wait_for_pipe(std::string path) {
  const int pipe = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  const auto got = ::read(pipe, &byte, 1);
  ::close(pipe);
  return static_cast<int>(got);
}

class named_pipe {
public:
  named_pipe() {
    std::string made = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    directory_ = ::mkdtemp(made.data());
    path = directory_ + "/gate";
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("no named pipe");
  }
  ~named_pipe() { std::filesystem::remove_all(directory_); }
  named_pipe(const named_pipe&) = delete;
  /// Blocks until a task waits for the pipe; it goes on when what this returns is closed.
  [[nodiscard]] int hold() const { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC); }

  std::string path;

private:
  std::string directory_;
};

template <class Pool>
void expect_plain_reports(Pool& pool) {
  const auto before = std::chrono::steady_clock::now();
  std::vector<muster::future<int>> futures;
  for (int i = 0; i < 500; ++i) futures.push_back(pool.submit({.report = true}, same, i));
  for (int i = 0; i < 500; ++i) {
    auto& f = futures[static_cast<std::size_t>(i)];
    const auto report = f.report();
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->attempts, 1);
    EXPECT_LT(report->worker.value_or(99), 2U);
    ASSERT_TRUE(report->began.has_value()) << "task " << i;
    EXPECT_GE(*report->began, before);
    EXPECT_LE(*report->began, report->ended);
    EXPECT_EQ(f.get(), i);
  }
}

}  // namespace

TEST(report, every_task_that_asks_learns_where_and_when_it_ran) {
  muster::thread_pool threads(2);
  expect_plain_reports(threads);
  muster::process_pool processes(2);
  expect_plain_reports(processes);
}

TEST(report, a_task_that_does_not_ask_has_none) {
  muster::thread_pool pool(1);
  auto plain = pool.submit(same, 1);
  EXPECT_FALSE(plain.report().has_value());
  EXPECT_EQ(plain.get(), 1);
}

TEST(report, it_counts_the_attempts_after_a_crash) {
  muster::process_pool pool(
      {.workers = {1}, .retry = {.attempts = 2, .backoff = {.first = 1ms, .max = 1ms}}});
  auto again = pool.submit({.report = true}, die_once);
  EXPECT_EQ(again.report().value().attempts, 2);
  EXPECT_EQ(again.get(), 2);
}

TEST(cancel_queued, what_runs_goes_on_and_what_waits_is_cancelled) {
  const named_pipe gate;
  muster::process_pool pool(1);
  auto runs = pool.submit({.report = true}, wait_for_pipe, gate.path);
  std::vector<muster::future<int>> wait;
  for (int i = 0; i < 20; ++i) wait.push_back(pool.submit({.report = true}, same, i));
  const int held = gate.hold();
  pool.cancel_queued();
  for (auto& each : wait) {
    EXPECT_EQ(each.report().value().attempts, 0);
    EXPECT_THROW(each.get(), muster::cancelled);
  }
  EXPECT_FALSE(runs.ready());
  ::close(held);
  EXPECT_EQ(runs.get(), 0);
  EXPECT_EQ(pool.submit(same, 4).get(), 4) << "the pool goes on";
}

TEST(cancel_queued, a_task_that_waits_for_its_next_attempt_is_cancelled) {
  muster::process_pool pool({.workers = {1}, .retry = {.attempts = 2, .backoff = {.first = 1h, .max = 1h}}});
  auto fails = pool.submit({.report = true}, die_once);
  while (pool.stats().waiting == 0) std::this_thread::yield();
  pool.cancel_queued();
  EXPECT_EQ(fails.report().value().attempts, 1);
  EXPECT_THROW(fails.get(), muster::cancelled);
}
