// SPDX-License-Identifier: MIT
// Buffers as arguments and results. One text for both kinds of pool; what holds for processes only is below.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// -----------------------------------------------------------------------------------------------------------
// tasks

buffer double_each(buffer given) {
  for (std::uint32_t& each : given.as<std::uint32_t>()) each *= 2;
  return given;
}
std::uint64_t sum_of(const buffer& given) {
  const auto numbers = given.as<std::uint32_t>();
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}
std::uint64_t sum_of_shared(shared_buffer given) {
  const auto numbers = given.as<std::uint32_t>();
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}
buffer fresh(std::size_t bytes, int value) {
  buffer made(bytes);
  std::memset(made.bytes().data(), value, bytes);
  return made;
}
std::string text_in(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void count_up(buffer& into) {
  std::uint32_t next = 0;
  for (std::uint32_t& each : into.as<std::uint32_t>()) each = next++;
}
constexpr std::uint64_t sum_up_to(std::uint64_t n) { return n * (n - 1) / 2; }

template <class Pool>
bool nothing_is_leased(const Pool& pool) {
  return eventually([&] { return pool.stats().arena.leased == 0; });
}

template <class Pool>
struct buffers : testing::Test {};
TYPED_TEST_SUITE(buffers, both_pools, pool_names);

TYPED_TEST(buffers, are_changed_in_place_and_come_back_as_the_same_memory) {
  TypeParam pool(1);
  for (int round = 0; round < 3; ++round) {
    buffer b = pool.lease(1_MiB);
    count_up(b);
    const std::byte* const at = b.bytes().data();
    buffer back = pool.submit(double_each, std::move(b)).get();
    EXPECT_FALSE(b);  // NOLINT: what a moved-from one holds is the point
    EXPECT_EQ(back.bytes().data(), at);
    EXPECT_EQ(back.size(), 1_MiB);
    EXPECT_EQ(sum_of(back), 2 * sum_up_to(1_MiB / 4));
  }
  EXPECT_TRUE(nothing_is_leased(pool));
  EXPECT_EQ(pool.stats().arena.blocks, 1U) << "one was enough";
}

TYPED_TEST(buffers, that_a_task_keeps_go_back_when_it_has_ended_though_its_future_is_kept) {
  TypeParam pool(1);
  buffer b = pool.lease(64_KiB);
  count_up(b);
  auto f = pool.submit([](buffer given) { return sum_of(given); }, std::move(b));
  EXPECT_TRUE(f.wait_for(watchdog));
  EXPECT_TRUE(nothing_is_leased(pool));
  EXPECT_EQ(f.get(), sum_up_to(64_KiB / 4));
}

TYPED_TEST(buffers, come_back_narrowed_to_what_was_written) {
  TypeParam pool(1);
  buffer b = pool.submit(
                     [](buffer out) {
                       std::memcpy(out.bytes().data() + 100, "hello", 5);
                       return std::move(out).part(100, 5);
                     },
                     pool.lease(64_KiB))
                 .get();
  EXPECT_EQ(text_in(b.bytes()), "hello");
  EXPECT_THROW((void)std::move(b).part(3, 3), std::out_of_range);
  EXPECT_EQ(b.size(), 5U) << "it stays what it was";
}

TYPED_TEST(buffers, are_read_as_elements_only_where_these_may_lie) {
  TypeParam pool(1);
  buffer b = pool.lease(64_KiB);
  EXPECT_EQ(b.template as<double>().size(), 8'192U);
  EXPECT_THROW((void)std::move(b).part(4, 16).template as<double>(), std::invalid_argument);
  EXPECT_THROW((void)pool.lease(10).template as<std::uint32_t>(), std::invalid_argument);
}

TYPED_TEST(buffers, go_in_and_out_inside_structs_and_containers) {
  TypeParam pool(1);
  std::vector<buffer> in;
  for (int i = 0; i < 3; ++i) {
    in.push_back(pool.lease(64_KiB));
    in.back().bytes()[0] = std::byte(i);
  }
  auto [out, none] = pool.submit(
                             [](std::vector<buffer> all) {
                               std::reverse(all.begin(), all.end());
                               all.pop_back();
                               return std::pair(std::move(all), std::optional<buffer>());
                             },
                             std::move(in))
                         .get();
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0].bytes()[0], std::byte{2});
  EXPECT_EQ(out[1].bytes()[0], std::byte{1});
  EXPECT_FALSE(none);
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 128_KiB; })) << "the third is back";
}

TYPED_TEST(buffers, that_are_shared_are_read_by_many_calls_at_the_same_time) {
  TypeParam pool(2);
  buffer b = pool.lease(1_MiB);
  count_up(b);
  const std::byte* const at = b.bytes().data();
  shared_buffer all = std::move(b).share();
  EXPECT_EQ(all.bytes().data(), at) << "what nobody has seen needs no copy";
  std::vector<future<std::uint64_t>> sums;
  for (int i = 0; i < 40; ++i) sums.push_back(pool.submit(sum_of_shared, all));
  for (auto& each : sums) EXPECT_EQ(each.get(), sum_up_to(1_MiB / 4));
  constexpr std::size_t half = 512_KiB;
  const auto first = pool.submit(sum_of_shared, all.part(0, half)).get();
  EXPECT_EQ(first + pool.submit(sum_of_shared, all.part(half, half)).get(), sum_up_to(1_MiB / 4));
  EXPECT_THROW((void)all.part(half, half + 1), std::out_of_range);
  all = {};
  EXPECT_TRUE(nothing_is_leased(pool));
}

TYPED_TEST(buffers, of_a_tasks_own_are_results_too) {
  TypeParam pool(1);
  const buffer b = pool.submit(fresh, 100'000, 7).get();
  EXPECT_EQ(b.size(), 100'000U);
  EXPECT_TRUE(std::ranges::all_of(b.bytes(), [](std::byte x) { return x == std::byte{7}; }));
  const shared_buffer s =
      pool.submit([](std::size_t bytes) { return fresh(bytes, 9).share(); }, 100'000).get();
  EXPECT_EQ(s.view().template load<unsigned char>(99'999), 9);
}

TYPED_TEST(buffers, that_hold_nothing_arrive_empty) {
  TypeParam pool(1);
  EXPECT_TRUE(
      pool.submit([](buffer none, shared_buffer nor) { return !none && !nor; }, buffer(), shared_buffer())
          .get());
  EXPECT_FALSE(pool.submit([] { return buffer(); }).get());
  EXPECT_EQ(pool.submit([](buffer b) { return b.size(); }, pool.lease(0)).get(), 0U);
}

TYPED_TEST(buffers, go_back_when_their_task_is_cancelled_before_it_begins) {
  TypeParam pool(1);
  const blocker<TypeParam> busy(pool);
  auto f = pool.submit(double_each, pool.lease(64_KiB));
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);
  EXPECT_TRUE(nothing_is_leased(pool)) << "while the worker is still busy";
}

TYPED_TEST(buffers, outlive_their_pool) {
  std::optional<TypeParam> pool(1);
  buffer b = pool->submit(double_each, pool->lease(64_KiB)).get();
  pool.reset();
  count_up(b);
  EXPECT_EQ(sum_of(b), sum_up_to(64_KiB / 4));
}

TYPED_TEST(buffers, that_are_free_are_given_up_by_stop) {
  TypeParam pool(1);
  (void)pool.submit(double_each, pool.lease(64_KiB)).get();
  pool.stop();
  EXPECT_EQ(pool.stats().arena.blocks, 0U);
  pool.start();
  EXPECT_EQ(pool.submit(double_each, pool.lease(64_KiB)).get().size(), 64_KiB) << "in another life too";
}

TYPED_TEST(buffers, wait_for_room_in_the_arena_as_long_as_they_are_told_to) {
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .arena = {.bytes = 1_MiB}});
  std::optional<buffer> all(pool.lease(1_MiB));
  EXPECT_EQ(code_of([&] { (void)pool.lease(1); }), error_code::arena_full);
  EXPECT_EQ(code_of([&] { (void)pool.lease(1, 1ms); }), error_code::arena_full);
  auto f = pool.submit([](buffer given) { return given.size(); }, std::move(*all));
  all.reset();
  EXPECT_EQ(pool.lease(1_MiB, watchdog).size(), 1_MiB);
}

TYPED_TEST(buffers, of_a_file_are_what_is_in_it) {
  TypeParam pool(1);
  const scratch files;
  std::ofstream(files("f")) << "from a file";
  const auto open = [&] { return unique_fd(::open(files("f").c_str(), O_RDONLY | O_CLOEXEC)); };
  shared_buffer of_disk = shared_buffer::of_file(open());
  EXPECT_EQ(::truncate(files("f").c_str(), 0), 0);
  const auto read = [](shared_buffer b) { return text_in(b.bytes()); };
  EXPECT_EQ(pool.submit(read, of_disk).get(), "from a file")
      << "what becomes of the file later is nothing to it";
  EXPECT_FALSE(shared_buffer::of_file(open()).size());

  unique_fd memory(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::write(memory.get(), "sealed", 6), 6);
  ASSERT_EQ(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE), 0);
  EXPECT_EQ(pool.submit(read, shared_buffer::of_file(std::move(memory))).get(), "sealed");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const unique_fd other(ends[1]);
  EXPECT_THROW((void)shared_buffer::of_file(unique_fd(ends[0])), std::invalid_argument);
  EXPECT_THROW((void)shared_buffer::of_file(unique_fd()), std::system_error);
}

TYPED_TEST(buffers, are_looked_at_byte_by_byte_without_trust) {
  TypeParam pool(1);
  const buffer b = pool.submit(fresh, 100, 1).get();
  const untrusted_view v = b.view();
  EXPECT_EQ(v.size(), 100U);
  EXPECT_EQ(v.load<std::uint32_t>(3), 0x01010101U);
  EXPECT_EQ(v.copy(), std::vector<std::byte>(100, std::byte{1}));
  std::array<std::byte, 4> some{};
  EXPECT_THROW(v.copy(97, some), std::out_of_range);
  EXPECT_THROW((void)v.load<std::uint64_t>(93), std::out_of_range);
  EXPECT_THROW((void)v.load<char>(~std::size_t{0}), std::out_of_range);
}

// -----------------------------------------------------------------------------------------------------------
// processes

// S54: both sides have the same memory; the worker has none of its own for it.
long private_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::atol(line.c_str() + 8);
  return -1;
}
std::pair<buffer, long> change_all(buffer given) {
  const long before = private_kib();
  for (std::uint64_t& each : given.as<std::uint64_t>()) each += 1;
  return {std::move(given), private_kib() - before};
}

TEST(buffers_of_processes, take_no_memory_of_their_own_in_the_worker_or_the_owner) {
  const std::size_t bytes = long_tests() ? 1_GiB : 64_MiB;
  process_pool pool({.workers = {1}, .arena = {.bytes = 2 * bytes}});
  buffer b = pool.lease(bytes);
  std::memset(b.bytes().data(), 0, bytes);
  const long before = private_kib();
  auto [back, grown] = pool.submit(change_all, std::move(b)).get();
  EXPECT_EQ(back.as<std::uint64_t>()[0], 1U);
  EXPECT_EQ(back.as<std::uint64_t>().back(), 1U);
  if (!base::is_sanitized) {
    EXPECT_LT(grown, 1'024);
    EXPECT_LT(private_kib() - before, 1'024);
  }
}

TEST(buffers_of_processes, more_than_sixteen_in_a_call_are_refused) {
  process_pool pool({.workers = {1}});
  std::vector<buffer> many;
  for (int i = 0; i < 17; ++i) many.push_back(pool.lease(1));
  EXPECT_EQ(code_of([&] { (void)pool.submit([](std::vector<buffer>) {}, std::move(many)); }),
            error_code::encode_error);
  many.clear();
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(buffers_of_processes, that_stay_the_callers_are_copied) {
  process_pool pool(1);
  std::vector<buffer> kept;
  kept.push_back(pool.lease(64_KiB));
  count_up(kept[0]);
  auto doubled = pool.submit(
      [](std::vector<buffer> all) {
        all[0] = double_each(std::move(all[0]));
        return all;
      },
      kept);
  EXPECT_EQ(sum_of(doubled.get()[0]), 2 * sum_up_to(64_KiB / 4));
  EXPECT_EQ(sum_of(kept[0]), sum_up_to(64_KiB / 4));
  EXPECT_EQ(pool.stats().arena.copied, 1U);
}

TEST(buffers_of_processes, come_again_with_every_attempt_as_the_one_before_left_them) {
  process_pool pool({.workers = {1}, .retry = {.attempts = 3, .backoff = {.first = 1ms, .max = 1ms}}});
  buffer b = pool.lease(64_KiB);
  b.bytes()[0] = std::byte{0};
  const buffer back = pool.submit(
                              [](context& about, buffer given) {
                                given.bytes()[0] = std::byte(static_cast<int>(given.bytes()[0]) + 1);
                                if (about.attempt() < 3) die(SIGKILL, 0);
                                return given;
                              },
                              std::move(b))
                          .get();
  EXPECT_EQ(back.bytes()[0], std::byte{3});
}

int killed_with(buffer given, std::string begun, std::string gate) {
  given.bytes()[0] = std::byte{1};
  touch(begun);
  (void)appears(gate);
  return 0;
}

TEST(buffers_of_processes, of_a_worker_that_dies_go_back_to_the_arena) {
  process_pool pool({.workers = {1}, .restart = {.first = 1ms, .max = 10ms}});
  for (int round = 0; round < 5; ++round) {
    const scratch files;
    auto f = pool.submit(killed_with, pool.lease(64_KiB), files("begun"), files("gate"));
    ASSERT_TRUE(appears(files("begun")));
    EXPECT_EQ(pool.stats().arena.leased, 64_KiB);
    ASSERT_TRUE(signal_process(pool.stats().workers[0].pid, SIGKILL));
    EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
    EXPECT_TRUE(nothing_is_leased(pool));
  }
  EXPECT_EQ(pool.stats().arena.blocks, 1U);
  EXPECT_EQ(pool.stats().arena.copied, 0U) << "the dead write nothing";
}

TEST(buffers_of_processes, of_a_task_past_its_time_go_back_only_when_its_worker_has_let_go) {
  process_pool pool({.workers = {1}, .grace = std::chrono::hours(1)});
  const scratch files;
  auto f = pool.submit({.run_timeout = 50ms}, killed_with, pool.lease(64_KiB), files("begun"), files("gate"));
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_EQ(pool.stats().arena.leased, 64_KiB) << "the task still runs";
  touch(files("gate"));
  EXPECT_TRUE(nothing_is_leased(pool));
}

TEST(buffers_of_processes, go_to_the_worker_that_had_them_though_another_is_free) {
  process_pool pool({.workers = {2}});
  const auto pid_of = [](buffer b) { return std::pair(std::move(b), process_id()); };
  auto [b, first] = pool.submit(pid_of, pool.lease(64_KiB)).get();
  for (int i = 0; i < 20; ++i) {
    auto [back, pid] = pool.submit(pid_of, std::move(b)).get();
    EXPECT_EQ(pid, first);
    b = std::move(back);
  }
  EXPECT_EQ(pool.stats().arena.copied, 0U);
}

TEST(buffers_of_processes, wait_for_the_worker_that_had_them_and_go_on_elsewhere_when_it_is_gone) {
  process_pool pool({.workers = {2}, .restart = {.first = 1ms, .max = 10ms}});
  const auto pid_of = [](buffer b) { return std::pair(std::move(b), process_id()); };
  auto [b, first] = pool.submit(pid_of, pool.lease(64_KiB)).get();
  const scratch files;  // both are held
  std::vector<future<int>> held;
  for (int i = 0; i < 2; ++i)
    held.push_back(pool.submit(
        [](std::string begun, std::string gate) {
          hold(begun, gate, 0);
          return process_id();
        },
        files("b" + std::to_string(i)), files("g" + std::to_string(i))));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
  auto waiting = pool.submit(pid_of, std::move(b));
  auto later = pool.submit(echo, 7);
  ASSERT_TRUE(signal_process(first, SIGKILL));
  auto [back, pid] = waiting.get();
  EXPECT_NE(pid, first);
  EXPECT_EQ(later.get(), 7);
  EXPECT_EQ(pool.stats().arena.copied, 0U);
  for (int i = 0; i < 2; ++i) touch(files("g" + std::to_string(i)));
  for (auto& f : held) f.wait();
}

TEST(buffers_of_processes, of_one_pool_pass_to_another) {
  process_pool one(1), two(1);
  buffer b = one.submit(fresh, 64_KiB, 3).get();
  EXPECT_EQ(two.submit([](buffer given) { return static_cast<int>(given.bytes()[0]); }, std::move(b)).get(),
            3);
  buffer c = two.submit(double_each, one.lease(64_KiB)).get();
  count_up(c);
  EXPECT_EQ(one.submit(sum_of, std::move(c)).get(), sum_up_to(64_KiB / 4));
  EXPECT_TRUE(nothing_is_leased(one));
}

TEST(buffers_of_processes, that_are_shared_cannot_be_written_by_a_worker) {
  process_pool pool({.workers = {1}, .worker_stderr = worker_stderr::keep});
  buffer b = pool.lease(64_KiB);
  count_up(b);
  const shared_buffer all = std::move(b).share();
  auto f = pool.submit(
      [](shared_buffer given) {
        *reinterpret_cast<volatile char*>(const_cast<std::byte*>(given.bytes().data())) = 1;
      },
      all);
  EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
  EXPECT_EQ(pool.submit(sum_of_shared, all).get(), sum_up_to(64_KiB / 4));
}

TEST(buffers_of_processes, that_are_shared_after_a_worker_had_them_are_copied) {
  process_pool pool(1);
  buffer b = pool.submit(double_each, pool.lease(64_KiB)).get();
  count_up(b);
  const std::byte* const at = b.bytes().data();
  const shared_buffer all = std::move(b).share();
  EXPECT_NE(all.bytes().data(), at);
  EXPECT_EQ(pool.submit(sum_of_shared, all).get(), sum_up_to(64_KiB / 4));
}

TEST(buffers_of_processes, are_told_apart_by_several_calls_of_one_worker_at_once) {
  process_pool pool({.workers = {.min = 1, .max = 1, .at_once = 4}});
  std::vector<future<buffer>> all;
  for (int i = 0; i < 200; ++i) {
    buffer b = pool.lease(64_KiB, watchdog);
    std::ranges::fill(b.as<std::uint32_t>(), static_cast<std::uint32_t>(i));
    all.push_back(pool.submit(double_each, std::move(b)));
    if (all.size() < 30) continue;
    for (auto& f : all) {
      const buffer back = f.get();
      const auto numbers = back.as<std::uint32_t>();
      EXPECT_EQ(std::ranges::count(numbers, numbers[0]), static_cast<std::ptrdiff_t>(numbers.size()));
      EXPECT_EQ(numbers[0] % 2, 0U);
    }
    all.clear();
  }
}

TEST(buffers_of_processes, that_are_lent_to_more_calls_than_a_socket_holds_all_arrive) {
  process_pool pool({.workers = {1}, .strategy = strategy::round_robin});
  buffer b = pool.lease(64_KiB);
  count_up(b);
  const shared_buffer all = std::move(b).share();
  std::vector<future<std::uint64_t>> sums;
  {
    const blocker<process_pool> busy(pool);
    for (int i = 0; i < 1'000; ++i) sums.push_back(pool.submit(sum_of_shared, all));
  }
  for (auto& each : sums) ASSERT_EQ(each.get(), sum_up_to(64_KiB / 4));
}

TEST(buffers_of_processes, leave_no_descriptor_behind) {
  process_pool pool(2);
  pool.submit(echo, 1).get();
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  (void)pool.submit(double_each, pool.lease(64_KiB)).get();
  pool.stop();
  pool.start();
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  const std::size_t before = entries_in("/proc/self/fd");
  for (int i = 0; i < 50; ++i) {
    (void)pool.submit(double_each, pool.lease(64_KiB + static_cast<std::size_t>(i) * 10'000)).get();
    (void)pool.submit(fresh, 1'000, i).get();
    (void)pool.submit(sum_of_shared, buffer(4'096).share()).get();
  }
  pool.wait_idle();
  const std::size_t kept = pool.stats().arena.blocks;
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == before + kept; }))
      << before << " before, " << kept << " kept, " << entries_in("/proc/self/fd") << " now";
}

}  // namespace
}  // namespace muster::test
