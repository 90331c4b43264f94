// SPDX-License-Identifier: MIT
// Arguments that do not fit into a ring: they travel in memory that is used again, in which a worker can read
// and not write, or in a file where there is no room.
#include <sys/mman.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

std::uint64_t sum_of_bytes(const std::vector<unsigned char>& all) {
  return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
}
std::string joined(const std::vector<std::string>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::string());
}
std::size_t both(const std::string& first, int between, const std::string& second) {
  return first.size() + static_cast<std::size_t>(between) + second.size();
}
std::vector<unsigned char> random_bytes(std::size_t count, std::mt19937_64& dice) {
  std::vector<unsigned char> made(count);
  for (auto& each : made) each = static_cast<unsigned char>(dice());
  return made;
}
process_options with_memory(std::size_t bytes, int workers = 2) {
  process_options options;
  options.workers = {workers};
  options.argument_memory = bytes;
  options.restart = {.first = 1ms, .max = 10ms};
  return options;
}

class large_arguments : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(with, large_arguments, testing::Values(0, 1_MiB, 256_MiB), [](const auto& of) {
  return of.param == 0 ? std::string("no_memory")
                       : (of.param == 1_MiB ? std::string("too_little") : std::string("enough"));
});

TEST_P(large_arguments, arrive_whole) {
  std::mt19937_64 dice(seed_of_test());
  process_pool pool(with_memory(GetParam()));
  std::vector<std::pair<future<std::uint64_t>, std::uint64_t>> results;
  for (int i = 0; i < 100; ++i) {
    const std::size_t size = i % 2 == 0 ? 65'520 + dice() % 32 : 1 + dice() % (i % 20 == 1 ? 3_MiB : 300_KiB);
    auto bytes = random_bytes(size, dice);
    const auto sum = sum_of_bytes(bytes);
    results.emplace_back(pool.submit(sum_of_bytes, std::move(bytes)), sum);
  }
  for (auto& [result, sum] : results) EXPECT_EQ(result.get(), sum);
  EXPECT_LE(pool.stats().arena.arguments, GetParam());
}

TEST_P(large_arguments, arrive_whole_in_whatever_pieces_they_are_made_of) {
  process_pool pool(with_memory(GetParam()));
  std::vector<std::string> parts;
  for (int i = 0; i < 2'000; ++i)
    parts.push_back(std::string(static_cast<std::size_t>(i % 200), static_cast<char>('a' + i % 26)));
  EXPECT_EQ(pool.submit(joined, parts).get(), joined(parts));
  for (const std::size_t first : {10UL, 70'000UL})
    for (const std::size_t second : {10UL, 70'000UL, 200'000UL})
      EXPECT_EQ(pool.submit(both, std::string(first, 'x'), 3, std::string(second, 'y')).get(),
                first + 3 + second);
}

TEST_P(large_arguments, go_with_buffers_and_with_what_is_to_be_known_of_the_call) {
  process_pool pool(with_memory(GetParam()));
  const auto check = [](context& ctx, buffer lent, const std::string& text) {
    return std::string(ctx.id()) + ":" + std::to_string(lent.size()) + ":" + std::to_string(text.size());
  };
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(pool.submit({.id = "seven"}, check, pool.lease(64_KiB), std::string(100'000, 'x')).get(),
              "seven:65536:100000");
}

TEST_P(large_arguments, of_a_task_whose_worker_dies_arrive_whole_at_the_next) {
  process_options options = with_memory(GetParam());
  options.retry.attempts = 20;
  process_pool pool(options);
  const auto sometimes = [](context& ctx, const std::vector<unsigned char>& bytes) {
    if (ctx.attempt() < 3) ::raise(SIGKILL);
    return sum_of_bytes(bytes);
  };
  std::mt19937_64 dice(seed_of_test());
  std::vector<std::pair<future<std::uint64_t>, std::uint64_t>> results;
  for (int i = 0; i < 4; ++i) {
    auto bytes = random_bytes(200'000, dice);
    const auto sum = sum_of_bytes(bytes);
    results.emplace_back(pool.submit(sometimes, std::move(bytes)), sum);
  }
  for (auto& [result, sum] : results) EXPECT_EQ(result.get(), sum);
}

TEST(large_arguments_in_memory, use_the_same_again_and_again) {
  process_pool pool(with_memory(256_MiB, 1));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(pool.submit(joined, std::vector(1, std::string(1_MiB, 'x'))).get().size(), 1_MiB);
  EXPECT_GE(pool.stats().arena.arguments, 1_MiB);
  EXPECT_LE(pool.stats().arena.arguments, 3_MiB);
}

TEST(large_arguments_in_memory, are_gone_when_the_pool_has_stopped_and_when_the_task_has_failed) {
  process_pool pool(with_memory(256_MiB));
  auto result =
      pool.submit([](const std::string&) -> int { throw std::runtime_error("no"); }, std::string(1_MiB, 'x'));
  result.wait();
  EXPECT_GT(pool.stats().arena.arguments, 0U);
  pool.stop();
  EXPECT_EQ(pool.stats().arena.arguments, 0U) << "though its future is kept";
  EXPECT_THROW(result.get(), std::runtime_error);
}

TEST(large_arguments_in_memory, survive_as_a_dead_letter) {
  process_options options = with_memory(256_MiB);
  options.dead_letters = 4;
  process_pool pool(options);
  const auto odd = [](context&, const std::string& text) -> std::size_t {
    if (std::getenv("MUSTER_TEST_NEVER_SET") == nullptr && text[0] == 'x') throw std::runtime_error("no");
    return text.size();
  };
  auto result = pool.submit(odd, std::string(1_MiB, 'x'));
  EXPECT_THROW(result.get(), std::runtime_error);
  const auto letters = pool.dead_letters();
  ASSERT_EQ(letters.size(), 1U);
  ASSERT_TRUE(letters[0].can_resubmit);
  auto again = pool.resubmit<std::size_t>(letters[0].task);
  EXPECT_THROW(again.get(), std::runtime_error) << "and not an error about its arguments";
}

// What a hostile task would try.
TEST(large_arguments_in_memory, cannot_be_written_by_a_worker) {
  process_pool pool(with_memory(256_MiB, 1));
  const auto attack = [](const std::string&) {
    int found = 0, written = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find("muster-buffer") == std::string::npos) continue;
      ++found;
      std::uintptr_t begin = 0, end = 0;
      std::istringstream(line) >> std::hex >> begin;
      std::istringstream(line.substr(line.find('-') + 1)) >> std::hex >> end;
      if (::mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE) == 0) ++written;
    }
    return std::pair(found, written);
  };
  EXPECT_EQ(pool.submit(attack, std::string(1_MiB, 'x')).get(), std::pair(1, 0));
}

// What is meant for one worker no other one sees: each has files of its own.
TEST(large_arguments_in_memory, are_seen_by_one_worker_alone) {
  process_options options = with_memory(256_MiB);
  options.strategy = strategy::round_robin;
  process_pool pool(options);
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  const auto seen = [](const std::string&) {
    std::vector<std::string> inodes;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find("muster-buffer") == std::string::npos) continue;
      std::istringstream words(line);
      std::string range, mode, offset, device, inode;
      words >> range >> mode >> offset >> device >> inode;
      inodes.push_back(inode);
    }
    return std::pair(::getpid(), inodes);
  };
  std::map<std::string, int> owner;
  std::set<int> workers;
  for (int i = 0; i < 20; ++i) {
    const auto [pid, inodes] = pool.submit(seen, std::string(100'000, 'x')).get();
    workers.insert(pid);
    ASSERT_FALSE(inodes.empty());
    for (const std::string& each : inodes) EXPECT_EQ(owner.emplace(each, pid).first->second, pid) << each;
  }
  EXPECT_EQ(workers.size(), 2U);
}

// Of many sizes, so that blocks are given up and made again.
TEST(large_arguments_in_memory, of_all_sizes_keep_within_their_limit_in_the_worker_too) {
  std::mt19937_64 dice(seed_of_test());
  process_pool pool(with_memory(4_MiB, 1));
  const auto mapped = [](const std::string& text) {
    std::size_t bytes = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find("muster-buffer") == std::string::npos) continue;
      std::uintptr_t begin = 0, end = 0;
      std::istringstream(line) >> std::hex >> begin;
      std::istringstream(line.substr(line.find('-') + 1)) >> std::hex >> end;
      bytes += end - begin;
    }
    return std::pair(bytes, text.size());
  };
  for (int i = 0; i < 200; ++i) {
    const std::size_t size = 65'537 + dice() % 3_MiB;
    const auto [bytes, arrived] = pool.submit(mapped, std::string(size, 'x')).get();
    ASSERT_EQ(arrived, size);
    ASSERT_LE(bytes, 4_MiB) << "after " << i;
  }
}

}  // namespace
}  // namespace muster::test
