// SPDX-License-Identifier: MIT
#include "ipc/arena.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <thread>

#include <muster/error.hpp>
#include <muster/sizes.hpp>

#include "kit/pools.hpp"

namespace muster::ipc {
namespace {

std::shared_ptr<arena> made(arena_options limits) { return std::make_shared<arena>(limits, "test"); }

TEST(size_classes, hold_what_is_asked_for_and_waste_at_most_a_quarter) {
  std::mt19937_64 random(test::seed_of_test());
  for (int i = 0; i < 10'000; ++i) {
    const std::size_t asked = random() >> (random() % 40 + 8);
    const std::size_t got = class_of(asked);
    ASSERT_GE(got, asked);
    ASSERT_GE(got, 64_KiB);
    ASSERT_LE(got, std::max<std::size_t>(64_KiB, asked + asked / 4 + 4_KiB)) << asked;
    ASSERT_EQ(class_of(got), got) << "a class is its own";
  }
}

TEST(an_arena, gives_the_block_again_that_came_back_last) {
  const auto a = made({});
  auto first = a->lease(100_KiB, {});
  const auto* const at = first->address;
  first.reset();
  const auto again = a->lease(110_KiB, {});
  EXPECT_EQ(again->address, at);
  EXPECT_EQ(again->room, 110_KiB);
  EXPECT_EQ(a->stats().blocks, 1U);
}

TEST(an_arena, says_what_is_leased_and_what_the_limits_are_when_it_is_full) {
  const auto a = made({.bytes = 1_MiB, .blocks = 2});
  const auto one = a->lease(64_KiB, {});
  const auto two = a->lease(64_KiB, {});
  try {
    (void)a->lease(64_KiB, {});
    FAIL();
  } catch (const arena_full& e) {
    EXPECT_STREQ(
        e.what(),
        "the arena of the pool 'test' is full: a buffer of 65536 bytes takes 65536, and 131072 bytes "
        "in 2 buffers are leased; arena.bytes = 1048576, arena.blocks = 2. Raise them, or wait until "
        "a buffer is given back");
  }
  EXPECT_THROW((void)a->lease(2_MiB, std::chrono::hours(1)), arena_full) << "waiting does not help";
  EXPECT_THROW((void)a->lease(~std::size_t{0}, {}), arena_full);
}

TEST(an_arena, waits_for_what_comes_back) {
  const auto a = made({.bytes = 1_MiB});
  auto held = a->lease(900_KiB, {});
  std::thread other([&] { held.reset(); });
  EXPECT_TRUE(a->lease(1_MiB, test::watchdog));
  other.join();
}

TEST(an_arena, gives_up_free_blocks_of_other_classes_for_one_that_is_wanted) {
  const auto a = made({.bytes = 1_MiB});
  (void)a->lease(512_KiB, {});
  (void)a->lease(128_KiB, {});
  EXPECT_EQ(a->stats().blocks, 2U);
  const auto large = a->lease(1_MiB, {});
  EXPECT_EQ(a->stats().blocks, 1U);
  EXPECT_EQ(a->stats().bytes, 1_MiB);
}

TEST(an_arena, prefers_a_block_whose_worker_has_nothing_to_do) {
  const auto a = made({.bytes = 1_MiB, .blocks = 2});
  const auto busy = std::make_shared<detail::worker_token>();
  const auto idle = std::make_shared<detail::worker_token>();
  idle->is_free = true;
  auto one = a->lease(64_KiB, {});
  auto two = a->lease(64_KiB, {});
  one->seen_by = idle;
  two->seen_by = busy;
  const auto *const of_idle = one.get(), *const of_busy = two.get();
  one.reset();
  two.reset();  // came back last
  const auto first = a->lease(64_KiB, {});
  EXPECT_EQ(first.get(), of_idle);
  EXPECT_EQ(a->lease(64_KiB, {}).get(), of_busy) << "where no other may be made";
}

TEST(an_arena, makes_a_new_block_rather_than_give_one_whose_worker_is_busy) {
  const auto a = made({});
  const auto busy = std::make_shared<detail::worker_token>();
  a->lease(64_KiB, {})->seen_by = busy;
  EXPECT_TRUE(a->lease(64_KiB, {})->seen_by.expired());
  EXPECT_EQ(a->stats().blocks, 2U);
}

TEST(an_arena, that_is_closed_keeps_nothing_and_what_it_lent_stays_valid) {
  auto a = made({});
  auto block = a->lease(64_KiB, {});
  (void)a->lease(128_KiB, {});
  a->close();
  const std::weak_ptr<arena> gone = a;
  a.reset();
  EXPECT_FALSE(gone.expired()) << "what it lent finds its way back";
  std::memset(block->address, 7, block->room);
  block.reset();
  EXPECT_TRUE(gone.expired());
}

TEST(a_block, that_is_given_up_frees_its_pages_though_somebody_has_it_mapped) {
  const auto a = made({.bytes = 1_MiB});
  auto block = a->lease(1_MiB, {});
  ASSERT_TRUE(prepare_to_show(*block));
  const unique_fd elsewhere = unique_fd::duplicate_of(block->file.get());
  const auto seen = map_lent(elsewhere.get(), block->size, block->room, true, true);
  ASSERT_TRUE(seen);
  std::memset(block->address, 7, block->room);
  block.reset();
  a->trim();
  struct stat status{};
  ASSERT_EQ(::fstat(elsewhere.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
}

TEST(a_block, that_was_shown_cannot_be_sealed_by_who_has_its_descriptor) {
  const auto block = block_ref(make_block(64_KiB, false).value());
  ASSERT_TRUE(prepare_to_show(*block));
  EXPECT_NE(::fcntl(block->file.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_NE(::ftruncate(block->file.get(), 4096), 0);
  EXPECT_NE(::ftruncate(block->file.get(), 1 << 20), 0);
}

TEST(a_block, that_is_sealed_cannot_be_mapped_for_writing) {
  const auto block = block_ref(make_block(64_KiB, false).value());
  ASSERT_TRUE(seal(*block));
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, block->file.get(), 0), MAP_FAILED);
  EXPECT_LT(::pwrite(block->file.get(), "x", 1, 0), 0);
  block->address[0] = std::byte{7};  // its owner could
}

TEST(a_foreign_block, is_believed_only_when_nobody_can_cut_it_short) {
  const auto refused = [](unique_fd file, std::size_t room) {
    return !map_foreign(std::move(file), room, true);
  };
  const auto memory = [](std::size_t size, int seals) {
    unique_fd file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
    return file;
  };
  EXPECT_FALSE(refused(memory(64_KiB, F_SEAL_SHRINK | F_SEAL_GROW), 64_KiB));
  EXPECT_TRUE(refused(memory(64_KiB, F_SEAL_GROW), 64_KiB)) << "it could shrink";
  EXPECT_TRUE(refused(memory(64_KiB, F_SEAL_SHRINK | F_SEAL_GROW), 128_KiB)) << "it is smaller than was said";
  EXPECT_TRUE(refused(memory(2_GiB, F_SEAL_SHRINK | F_SEAL_GROW), 2_GiB)) << "it is too large";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const unique_fd other(ends[1]);
  EXPECT_TRUE(refused(unique_fd(ends[0]), 4_KiB)) << "a pipe";
}

// Against a model that knows sizes only: an arena never lends a block twice, counts what there is, keeps its
// limits, and refuses exactly what cannot be had.
TEST(an_arena, keeps_its_books_through_any_order_of_leases) {
  std::mt19937_64 random(test::seed_of_test());
  const int rounds = test::long_tests() ? 50 : 3;
  for (int round = 0; round < rounds; ++round) {
    const arena_options limits{
        .bytes = (1 + random() % 4) * 1_MiB, .blocks = static_cast<int>(1 + random() % 12), .touch = false};
    const auto a = made(limits);
    std::deque<block_ref> held;
    std::size_t leased = 0;
    for (int step = 0; step < 500; ++step) {
      if (random() % 2 == 0 && !held.empty()) {
        const std::size_t which = random() % held.size();
        leased -= held[which]->size;
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
      } else if (random() % 50 == 0) {
        a->trim();
      } else {
        const std::size_t room = random() % 1_MiB;
        const bool fits =
            leased + class_of(room) <= limits.bytes && held.size() < static_cast<std::size_t>(limits.blocks);
        try {
          auto block = a->lease(room, {});
          ASSERT_TRUE(fits) << "step " << step;
          ASSERT_EQ(block->size, class_of(room));
          ASSERT_EQ(std::ranges::count(held, block->address, [](const auto& b) { return b->address; }), 0);
          leased += block->size;
          held.push_back(std::move(block));
        } catch (const arena_full&) {
          ASSERT_FALSE(fits) << "step " << step;
        }
      }
      const arena_stats now = a->stats();
      ASSERT_EQ(now.leased, leased);
      ASSERT_LE(now.bytes, limits.bytes);
      ASSERT_GE(now.bytes, leased);
      ASSERT_LE(now.blocks, static_cast<std::size_t>(limits.blocks));
      ASSERT_GE(now.blocks, held.size());
    }
    held.clear();
    a->trim();
    EXPECT_EQ(a->stats().bytes, 0U);
    EXPECT_EQ(a->stats().blocks, 0U);
  }
}

TEST(blocks_of_a_call, that_others_can_write_are_copied) {
  const auto crew_a = std::make_shared<int>(), crew_b = std::make_shared<int>();
  const auto token = [](const void* crew) {
    auto made = std::make_shared<detail::worker_token>();
    made->crew = crew;
    return made;
  };
  const auto one = token(crew_a.get()), two = token(crew_a.get()), stranger = token(crew_b.get());
  const auto seen = [](const std::shared_ptr<detail::worker_token>& by) {
    auto block = block_ref(make_block(64_KiB, false).value());
    if (by) block->seen_by = by;
    return block;
  };
  std::vector<block_ref> blocks;
  for (const auto& by : {one, std::shared_ptr<detail::worker_token>(), one, two, stranger})
    blocks.push_back(seen(by));
  std::vector<const memory_block*> before;
  for (const auto& b : blocks) before.push_back(b.get());
  EXPECT_EQ(make_own(blocks, crew_a.get()).value(), 2U);
  EXPECT_EQ(bound_to(blocks), one);
  for (std::size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(blocks[i].get() == before[i], i < 3) << i;

  std::vector<block_ref> held{seen(nullptr)};
  const block_ref kept = held[0];
  EXPECT_EQ(make_own(held, crew_a.get()).value(), 1U) << "somebody else holds it";
  EXPECT_NE(held[0], kept);
}

}  // namespace
}  // namespace muster::ipc
