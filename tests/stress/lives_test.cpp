// SPDX-License-Identifier: MIT
// Pools that are made, used, recycled and stopped by many threads at once: nothing hangs and nothing is left.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// Some pools that all threads share; each can be replaced by another while others still use it.
class shared_pools {
public:
  shared_pools() {
    for (auto& each : pools_) each = fresh();
  }
  std::shared_ptr<process_pool> at(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return pools_[index % pools_.size()];
  }
  void replace(std::size_t index) {
    auto next = fresh();
    const std::lock_guard lock(mutex_);
    pools_[index % pools_.size()].swap(next);
  }

private:
  static std::shared_ptr<process_pool> fresh() {
    return std::make_shared<process_pool>(
        process_options{.workers = {.min = 1, .max = 2, .idle_timeout = 2ms},
                        .restart = {.first = 1ms, .max = 5ms},
                        .worker_stderr = worker_stderr::keep});
  }
  std::mutex mutex_;
  std::array<std::shared_ptr<process_pool>, 3> pools_;
};

// What a thread may be told by a pool that another has stopped.
template <class F>
void unless_stopped(F act) {
  const auto code = code_of(act);
  EXPECT_TRUE(!code || *code == error_code::pool_stopped || *code == error_code::cancelled) << name(*code);
}

std::size_t mappings_now() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n'));
}

TEST(storm, of_starts_stops_and_recycles_hangs_nowhere_and_leaves_nothing) {
  std::mt19937_64 dice(seed_of_test());
  {
    process_pool warm(1);
    holdings::zygote = state_of(warm.submit(process_id).get()).parent;
  }
  const holdings before;
  const int operations = long_tests() ? 10'000 : base::is_sanitized ? 400 : 2'000;
  {
    shared_pools pools;
    std::atomic<int> left = operations;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, seed = dice()] {
        std::mt19937_64 own(seed);
        while (left-- > 0) {
          const std::size_t which = own();
          const auto pool = pools.at(which);
          switch (own() % 10) {
            case 0: unless_stopped([&] { (void)pool->recycle({.deadline = 1s}); }); break;
            case 1: unless_stopped([&] { pool->start(); }); break;
            case 2: (void)pool->stop(1s); break;
            case 3: (void)pool->terminate(); break;
            case 4:
            case 5: pools.replace(which); break;
            case 6: expect_sums(pool->stats()); break;
            default: unless_stopped([&] { EXPECT_EQ(pool->submit(echo, 7).get(), 7); });
          }
        }
      });
    for (auto& t : threads) t.join();
  }
  EXPECT_TRUE(eventually([&] { return holdings() == before; })) << before << " became " << holdings();
}

// Of one pool: nothing grows from life to life.
template <class Pool>
void live_many_times(const options_of<Pool>& options, int lives) {
  Pool pool(options);
  std::optional<holdings> stopped;
  std::optional<std::size_t> mappings;
  for (int life = 0; life < lives; ++life) {
    std::vector<future<int>> all;
    for (int i = 0; i < 8; ++i) all.push_back(pool.submit(echo, i));
    if (life % 3 == 2) {
      pool.terminate();
      for (auto& f : all) {
        const auto how = outcome_of(f);
        EXPECT_TRUE(!how || *how == error_code::pool_stopped || *how == error_code::unexpected_exit);
      }
    } else {
      pool.stop();
      for (int i = 0; i < 8; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
    }
    if (life == lives / 5) {  // what is kept for the next time is there now
      stopped = holdings();
      mappings = mappings_now();
    }
    if (life + 1 == lives) {
      EXPECT_TRUE(eventually([&] { return holdings() == *stopped; })) << *stopped << " became " << holdings();
      const std::size_t some = base::is_sanitized ? 32 : 8;  // a sanitizer has some of its own
      EXPECT_LE(mappings_now(), *mappings + some);
    }
    pool.start();
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(storm, of_many_lives_of_one_pool_of_threads_leaves_nothing) {
  live_many_times<thread_pool>({.workers = {3}}, base::is_sanitized ? 100 : 500);
}
TEST(storm, of_many_lives_of_one_pool_of_processes_leaves_nothing) {
  live_many_times<process_pool>({.workers = {2}, .worker_stderr = worker_stderr::keep}, base::is_sanitized
                                                                                            ? 50
                                                                                        : long_tests() ? 500
                                                                                                       : 150);
}

}  // namespace
}  // namespace muster::test
