// SPDX-License-Identifier: MIT
// Memory of tasks: no block is given twice, none is lost, whoever frees it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <muster/task.hpp>

#include "base/process_info.hpp"
#include "base/sanitizer.hpp"
#include "kit/pools.hpp"

namespace muster::detail {
namespace {

struct piece {
  std::byte* at;
  std::size_t bytes;
  std::byte mark;
};

piece make(std::size_t bytes, int mark) {
  auto* at = static_cast<std::byte*>(allocate_task(bytes));
  std::memset(at, mark, bytes);
  return {at, bytes, static_cast<std::byte>(mark)};
}
// False: somebody else wrote into it.
bool end(const piece& p) {
  bool whole = true;
  for (std::size_t i = 0; i < p.bytes; ++i) whole = whole && p.at[i] == p.mark;
  free_task(p.at, p.bytes);
  return whole;
}

TEST(task_memory, blocks_of_all_sizes_are_whole_and_apart) {
  std::vector<piece> all;
  for (int lap = 0; lap < 3; ++lap) {
    for (std::size_t bytes = 1; bytes <= 1'000; ++bytes)
      all.push_back(make(bytes, static_cast<int>(bytes % 251)));
    for (const auto& p : all) EXPECT_TRUE(end(p)) << p.bytes;
    all.clear();
  }
}

TEST(task_memory, is_used_again_when_another_thread_frees_it) {
  if (base::is_sanitized) GTEST_SKIP() << "sanitizers see every task with the general allocator";
  std::set<void*> places;
  for (int lap = 0; lap < 50; ++lap) {
    std::vector<piece> all;
    for (int i = 0; i < 1'000; ++i) all.push_back(make(128, lap));
    for (const auto& p : all) places.insert(p.at);
    std::thread([&] {
      for (const auto& p : all) EXPECT_TRUE(end(p));
    }).join();
  }
  EXPECT_LE(places.size(), 3'000u) << "of 50,000 blocks, never more than 1,000 at a time";
}

TEST(task_memory, of_a_burst_goes_back_to_the_system_but_for_a_little_in_whatever_order) {
  if (base::is_sanitized) GTEST_SKIP() << "sanitizers see every task with the general allocator";
  const auto in_use = [] { return base::private_memory(::getpid(), 0).value_or(0); };
  std::mt19937_64 dice(test::seed_of_test());
  std::thread([&] {  // with slabs of its own
    const std::size_t before = in_use();
    for (const bool mixed : {false, true}) {
      std::vector<piece> all;
      all.reserve(500'000);
      for (int i = 0; i < 500'000; ++i) all.push_back(make(128, 1));
      EXPECT_GT(in_use(), before + 500'000u * 128u);
      if (mixed) std::shuffle(all.begin(), all.end(), dice);
      for (const auto& p : all) EXPECT_TRUE(end(p));
      std::vector<piece>().swap(all);
      EXPECT_LT(in_use(), before + 36'000'000) << "16 MiB of slabs stay for later, and mappings in use";
    }
  })
      .join();
}

TEST(task_memory, survives_the_threads_that_made_it) {
  std::vector<piece> all;
  for (int lap = 0; lap < 20; ++lap)
    std::thread([&] {
      for (int i = 0; i < 500; ++i) all.push_back(make(100 + static_cast<std::size_t>(i), lap));
    }).join();
  for (const auto& p : all) EXPECT_TRUE(end(p));
}

TEST(task_memory, can_be_made_and_ended_while_a_thread_ends) {
  struct late {
    ~late() { EXPECT_TRUE(end(make(128, 7))); }
  };
  std::thread([] {
    static thread_local late first;  // made before this thread's memory: it goes after it
    (void)&first;
    EXPECT_TRUE(end(make(128, 8)));
  }).join();
}

TEST(task_memory, is_never_shared_by_two_blocks_whatever_threads_do) {
  const auto seed = test::seed_of_test();
  std::mutex mutex;
  std::deque<piece> shared;  // guarded by mutex
  std::atomic<int> broken{0};
  std::vector<std::thread> threads;
  for (unsigned who = 0; who < 4; ++who)
    threads.emplace_back([&, who] {
      std::mt19937_64 dice(seed + who);
      for (int i = 0; i < 20'000; ++i) {
        const piece fresh = make(1 + dice() % 450, static_cast<int>(dice() % 256));
        std::vector<piece> over;
        {
          const std::lock_guard lock(mutex);
          shared.push_back(fresh);
          while (shared.size() > 500 || (dice() % 2 == 0 && !shared.empty())) {
            const auto at = static_cast<std::ptrdiff_t>(dice() % shared.size());
            over.push_back(shared[static_cast<std::size_t>(at)]);
            shared.erase(shared.begin() + at);
          }
        }
        for (const auto& p : over) broken += end(p) ? 0 : 1;
      }
    });
  for (auto& t : threads) t.join();
  for (const auto& p : shared) broken += end(p) ? 0 : 1;
  EXPECT_EQ(broken, 0);
}

}  // namespace
}  // namespace muster::detail
