// SPDX-License-Identifier: MIT
// What a pool of processes says of itself when nobody listens, and of workers that are no more.
#include <algorithm>
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
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_EQ(said_by_a_pool_that_cannot_start(true), "");
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
