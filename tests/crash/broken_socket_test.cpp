// SPDX-License-Identifier: MIT
// A worker process that closes its socket to its owner and lives on.
#include <sys/socket.h>

#include <atomic>
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// The socket is descriptor 3 of a worker.
int shut_down_and_stay() {
  ::shutdown(3, SHUT_RDWR);
  return ::getpid();
}

TEST(broken_socket, of_a_worker_that_lives_on_costs_it_its_life_and_is_counted) {
  std::mutex mutex;
  std::vector<std::string> errors;
  std::atomic<int> deaths = 0;
  process_pool pool({.workers = {1}});
  pool.on(event_kind::error, [&](const event& e) {
    const std::lock_guard lock(mutex);
    errors.push_back(e.text);
  });
  pool.on(event_kind::worker_died, [&](const event& e) {
    deaths += e.death && e.death->cause == death_cause::protocol_violation ? 1 : 0;
  });
  const int pid = pool.submit(shut_down_and_stay).get();
  ASSERT_TRUE(eventually([&] { return deaths == 1; }));
  ASSERT_TRUE(eventually([&] { return pool.stats().errors_by_code["ECONNRESET"] == 1; }));
  EXPECT_NE(pool.submit(process_id).get(), pid);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return errors.size() == 1;
  }));
  EXPECT_NE(errors[0].find("ECONNRESET"), std::string::npos) << errors[0];
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

// Nobody listens to `error`, and the owner goes on.
TEST(broken_socket, that_nobody_hears_of_harms_nobody) {
  process_pool pool({.workers = {2}});
  (void)pool.submit(shut_down_and_stay).get();
  ASSERT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
}

}  // namespace
}  // namespace muster::test
