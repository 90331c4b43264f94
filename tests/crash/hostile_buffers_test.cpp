// SPDX-License-Identifier: MIT
// Workers that lie about the memory they were lent, write over it when it is no longer theirs, or die with
// it.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {

// What a result says of a buffer, as codec<buffer> writes it; any of it may be false.
struct claim {
  unsigned char where = 1;  // a block of the call; 2: a file beside the bytes
  unsigned char index = 0;
  std::uint64_t room = 0;  // of a file
  std::uint64_t offset = 0, length = 0;
  int file = -1;
};
// Encoded as a vector of claims, decoded as a vector of buffers.
struct claims {
  std::vector<claim> said;
  std::vector<buffer> got;
};

}  // namespace muster::test

template <>
struct muster::codec<muster::test::claims> {
  static void encode(writer& out, const test::claims& value) {
    if (!out.blocks().empty())
      out.name(out.blocks().front());  // so that the owner keeps them until it has looked
    out.write_size(value.said.size());
    for (const test::claim& each : value.said) {
      muster::encode(out, each.where);
      if (each.where == 1) muster::encode(out, each.index);
      if (each.where == 2) muster::encode(out, each.room);
      if (each.file >= 0) out.add(unique_fd(each.file));
      muster::encode(out, each.offset);
      muster::encode(out, each.length);
    }
  }
  static test::claims decode(reader& in) { return {{}, muster::decode<std::vector<buffer>>(in)}; }
};

namespace muster::test {
namespace {

enum class lie : std::uint8_t {
  none,
  a_block_it_was_not_lent,
  a_block_twice,
  an_offset_beyond_the_end,
  a_length_beyond_the_end,
  a_sum_that_wraps_around,
  nowhere_at_all,
  no_file,
  a_file_that_can_shrink,
  a_file_that_is_smaller,
  a_file_that_is_a_pipe,
  a_file_that_is_huge,
};

int memory(std::size_t bytes, int seals) {
  const int file = ::memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  (void)::ftruncate(file, static_cast<off_t>(bytes));
  (void)::fcntl(file, F_ADD_SEALS, seals);
  return file;
}

claims tell(buffer given, lie how) {
  constexpr std::uint64_t room = 100;  // as it was asked for; the block has more
  constexpr int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
  (void)given;
  switch (how) {
    case lie::none: return {{{.length = room}}, {}};
    case lie::a_block_it_was_not_lent: return {{{.index = 1, .length = room}}, {}};
    case lie::a_block_twice: return {{{.length = room}, {.length = room}}, {}};
    case lie::an_offset_beyond_the_end: return {{{.offset = room + 1}}, {}};
    case lie::a_length_beyond_the_end: return {{{.offset = 1, .length = room}}, {}};
    case lie::a_sum_that_wraps_around: return {{{.offset = 2, .length = ~std::uint64_t{0}}}, {}};
    case lie::nowhere_at_all: return {{{.where = 7}}, {}};
    case lie::no_file: return {{{.where = 2, .room = room, .length = room}}, {}};
    case lie::a_file_that_can_shrink:
      return {{{.where = 2, .room = 4'096, .length = 1, .file = memory(4'096, F_SEAL_GROW)}}, {}};
    case lie::a_file_that_is_smaller:
      return {{{.where = 2, .room = 8'192, .length = 1, .file = memory(4'096, fixed)}}, {}};
    case lie::a_file_that_is_a_pipe: {
      int ends[2];
      if (::pipe(ends) != 0) std::abort();
      return {{{.where = 2, .room = 4'096, .length = 1, .file = ends[0]}}, {}};
    }
    case lie::a_file_that_is_huge:
      return {{{.where = 2, .room = 2_GiB, .length = 1, .file = memory(2_GiB, fixed)}}, {}};
  }
  std::abort();
}

struct hostile_buffers : testing::TestWithParam<lie> {};

TEST_P(hostile_buffers, are_named_errors_and_leave_the_pool_whole) {
  process_pool pool({.workers = {1}});
  pool.submit(echo, 1).get();
  const std::size_t before = entries_in("/proc/self/fd");
  auto f = pool.submit(tell, pool.lease(100), GetParam());
  if (GetParam() == lie::none) {
    EXPECT_EQ(f.get().got.at(0).size(), 100U) << "the forger writes as the codec does";
  } else {
    EXPECT_EQ(outcome_of(f), error_code::decode_error);
  }
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
  EXPECT_EQ(pool.submit([](buffer b) { return b; }, pool.lease(100)).get().size(), 100U);
  EXPECT_EQ(pool.stats().workers_died, 0U);
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == before + 1; }))
      << "the block's, no other";
}
INSTANTIATE_TEST_SUITE_P(each, hostile_buffers, testing::ValuesIn([] {
                           std::vector<lie> all;
                           for (auto i = static_cast<int>(lie::none);
                                i <= static_cast<int>(lie::a_file_that_is_huge); ++i)
                             all.push_back(static_cast<lie>(i));
                           return all;
                         }()));

// -----------------------------------------------------------------------------------------------------------
// what a worker can write

// Keeps writing all over the buffer for as long as its process lives.
int scribble_for_ever(buffer given) {
  const std::span<std::byte> all = given.bytes();
  std::thread([all] {
    for (;;)
      for (std::byte& each : all) *const_cast<volatile std::byte*>(&each) = std::byte{0xff};
  }).detach();
  return process_id();
}

// So slowly that who writes meanwhile is seen.
std::pair<int, bool> finds_it_whole(buffer given, int value) {
  bool whole = true;
  for (int look = 0; look < 5; ++look) {
    whole = whole && std::ranges::all_of(given.bytes(), [&](std::byte b) { return b == std::byte(value); });
    std::this_thread::yield();
  }
  return {process_id(), whole};
}

TEST(a_worker_that_writes_over_what_it_was_lent, spoils_no_call_of_another) {
  process_pool pool({.workers = {2}, .strategy = strategy::round_robin});
  const int scribbler = pool.submit(scribble_for_ever, pool.lease(64_KiB)).get();
  const buffer its_own = pool.lease(64_KiB);  // so that others get other blocks at first
  int elsewhere = 0;
  for (int i = 0; i < 40; ++i) {
    std::array<future<std::pair<int, bool>>, 2> both;  // one for each worker, which then keeps its block
    for (auto& one : both) {
      buffer b = pool.lease(64_KiB);
      std::ranges::fill(b.bytes(), std::byte(i));
      one = pool.submit(finds_it_whole, std::move(b), i);
    }
    for (auto& one : both) {
      const auto [pid, whole] = one.get();
      if (pid == scribbler) continue;
      ++elsewhere;
      ASSERT_TRUE(whole) << "call " << i;
    }
  }
  EXPECT_GE(elsewhere, 5);
}

// -----------------------------------------------------------------------------------------------------------
// deaths

buffer answer(buffer given, int value) {
  std::ranges::fill(given.bytes(), std::byte(value));
  return given;
}

struct a_worker_with_buffers : testing::TestWithParam<fault_step> {};

TEST_P(a_worker_with_buffers, that_dies_at_any_step_leaves_them_to_the_arena) {
  process_pool pool({.workers = {1},
                     .restart = {.first = 1ms, .max = 10ms},
                     .worker_stderr = worker_stderr::keep,
                     .faults = {{.at = GetParam(), .generations = 2}}});
  pool.on(event_kind::degraded, [](const event&) {});
  std::vector<future<buffer>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.submit(answer, pool.lease(100'000), i));
  int failed = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      const buffer b = all[static_cast<std::size_t>(i)].get();
      EXPECT_TRUE(std::ranges::all_of(b.bytes(), [&](std::byte x) { return x == std::byte(i); }));
    } catch (const unexpected_exit&) {
      ++failed;
    }
  }
  EXPECT_LE(failed, 2) << "what it had begun, and nothing else";
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
  EXPECT_EQ(pool.stats().arena.copied, 0U);
}
INSTANTIATE_TEST_SUITE_P(at, a_worker_with_buffers, testing::ValuesIn([] {
                           std::vector<fault_step> all;
                           for (std::size_t i = 0; i < fault_steps; ++i)
                             if (const auto step = static_cast<fault_step>(i); step != fault_step::leaving)
                               all.push_back(step);
                           return all;
                         }()),
                         [](const auto& of) { return std::string(name(of.param)); });

// Leases of random sizes, handed over, kept, shared, cancelled, under workers that are killed: each buffer
// that comes back is what it should be, and at the end all are back.
TEST(buffers_in_a_storm, of_kills_and_cancels_come_back_whole_or_go_back_to_the_arena) {
  std::mt19937_64 dice(seed_of_test());
  process_pool pool({.workers = {2},
                     .restart = {.first = 1ms, .max = 5ms},
                     .worker_stderr = worker_stderr::keep,
                     .arena = {.bytes = 8_MiB, .blocks = 16}});
  pool.start();
  const auto kill_one = [&] {
    const auto workers = pool.stats().workers;
    const auto& w = workers[dice() % workers.size()];
    if (w.pid != 0 && (w.state == worker_state::idle || w.state == worker_state::busy))
      (void)signal_process(w.pid, SIGKILL);
  };
  const int calls = long_tests() ? 20'000 : base::is_sanitized ? 300 : 1'000;
  std::vector<std::pair<int, future<buffer>>> open;
  int back = 0, lost = 0;
  const auto take_one = [&] {
    auto [value, f] = std::move(open.front());
    open.erase(open.begin());
    try {
      const buffer b = f.get();
      ++back;
      ASSERT_TRUE(std::ranges::all_of(b.bytes(), [&](std::byte x) { return x == std::byte(value); }));
    } catch (const unexpected_exit&) {
      ++lost;
    } catch (const cancelled&) {
      ++lost;
    }
  };
  for (int i = 0; i < calls; ++i) {
    std::optional<buffer> b;
    while (!b) {
      try {
        b = pool.lease(1 + dice() % 1_MiB, 1ms);
      } catch (const arena_full&) {
        if (!open.empty()) take_one();
      }
    }
    const int value = static_cast<int>(dice() % 256);
    open.emplace_back(value, pool.submit(answer, std::move(*b), value));
    if (dice() % 10 == 0) open.back().second.cancel();
    if (dice() % 20 == 0) kill_one();
    if (open.size() > 6) take_one();
  }
  while (!open.empty()) take_one();
  EXPECT_GT(back, 0);
  EXPECT_EQ(back + lost, calls);
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
  EXPECT_LE(pool.stats().arena.blocks, 16U);
}

}  // namespace
}  // namespace muster::test
