// SPDX-License-Identifier: MIT
// What a pool of processes says of itself when nobody listens, and of workers that are no more.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

void refuse_to_come_up() { throw std::runtime_error("not today"); }

std::string said_by_a_pool_that_cannot_start(bool somebody_listens) {
  testing::internal::CaptureStderr();
  {
    process_pool pool(process_options{.workers = {1},
                                      .restart = {.first = 1ms, .max = 1ms},
                                      .init = refuse_to_come_up,
                                      .worker_stderr = worker_stderr::keep,
                                      .name = "lame",
                                      .start = false});
    if (somebody_listens) pool.on(event_kind::degraded, [](const event&) {});
    std::thread starter([&] { EXPECT_EQ(code_of([&] { pool.start(); }), error_code::pool_stopped); });
    EXPECT_TRUE(eventually([&] { return pool.stats().degraded && pool.stats().workers_started > 5; }));
    pool.terminate();
    starter.join();
  }
  return testing::internal::GetCapturedStderr();
}

TEST(unheard, a_pool_that_cannot_start_workers_says_so_once_on_standard_error) {
  const std::string said = said_by_a_pool_that_cannot_start(false);
  EXPECT_NE(said.find("the pool 'lame'"), std::string::npos) << said;
  EXPECT_NE(said.find("event_kind::degraded"), std::string::npos) << said;
  EXPECT_NE(said.find("not today"), std::string::npos) << said;  // why
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_EQ(said_by_a_pool_that_cannot_start(true), "");
}

// While it lives, this process's standard error is a pipe that nobody reads.
class unread_standard_error {
public:
  unread_standard_error() : kept_(::fcntl(2, F_DUPFD_CLOEXEC, 3)) {
    if (::pipe2(pipe_.data(), O_CLOEXEC) != 0) std::abort();
    ::dup2(pipe_[1], 2);
    ::close(pipe_[1]);
  }
  ~unread_standard_error() {
    ::dup2(kept_, 2);
    ::close(kept_);
    ::close(pipe_[0]);
  }
  unread_standard_error(const unread_standard_error&) = delete;

private:
  int kept_;
  std::array<int, 2> pipe_{};
};

int shout(int kibibytes) {
  const std::string line(1'023, 'x');
  for (int i = 0; i < kibibytes; ++i) std::fprintf(stderr, "%s\n", line.c_str());
  return kibibytes;
}

TEST(unheard, standard_error_that_nobody_reads_stops_no_pool) {
  const unread_standard_error unread;
  scratch files;
  process_pool pool(process_options{.workers = {2}, .worker_stderr = worker_stderr::forward});
  auto loud = pool.submit(shout, 2'000);
  auto slow = pool.submit({.run_timeout = 10ms}, deaf, files("begun"), files("gate"));
  ASSERT_TRUE(slow.wait_for(watchdog));
  EXPECT_EQ(code_of([&] { slow.get(); }), error_code::task_timeout);
  ASSERT_TRUE(loud.wait_for(watchdog));
  EXPECT_EQ(loud.get(), 2'000);
  (void)pool.stop();
}

TEST(unheard, a_dead_worker_has_no_process_id) {
  process_pool pool(process_options{.workers = {.min = 0, .max = 1, .idle_timeout = 1ms}});
  EXPECT_GT(pool.submit(process_id).get(), 0);
  EXPECT_TRUE(eventually([&] {
    const auto workers = pool.stats().workers;
    return workers.size() == 1 && workers[0].state == worker_state::dead;
  }));
  EXPECT_EQ(pool.stats().workers[0].pid, 0);
}

}  // namespace
}  // namespace muster::test
