// SPDX-License-Identifier: MIT
#include "ipc/progress_slot.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace muster::ipc {
namespace {

TEST(progress_slot, gives_the_newest_once) {
  const auto slot = std::make_unique<progress_slot>();
  std::uint32_t seen = 0;
  EXPECT_FALSE(read_progress(*slot, seen));
  write_progress(*slot, 7, 0.25, "first");
  write_progress(*slot, 7, 0.5, "second");
  EXPECT_TRUE(has_news(*slot, seen));
  const auto found = read_progress(*slot, seen);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->position, 7U);
  EXPECT_EQ(found->fraction, 0.5);
  EXPECT_EQ(found->text, "second");
  EXPECT_FALSE(has_news(*slot, seen));
  EXPECT_FALSE(read_progress(*slot, seen));
}

TEST(progress_slot, cuts_what_is_too_long_and_believes_no_size) {
  const auto slot = std::make_unique<progress_slot>();
  std::uint32_t seen = 0;
  write_progress(*slot, 0, 1, std::string(500, 'z'));
  EXPECT_EQ(read_progress(*slot, seen)->text, std::string(most_progress_bytes, 'z'));
  write_progress(*slot, 0, 1, "z");
  slot->size.store(0xffffffffU);
  EXPECT_EQ(read_progress(*slot, seen)->text.size(), most_progress_bytes);
}

TEST(progress_slot, is_not_read_while_it_is_written) {
  const auto slot = std::make_unique<progress_slot>();
  std::uint32_t seen = 0;
  write_progress(*slot, 0, 1, "whole");
  slot->version.fetch_add(1);
  EXPECT_FALSE(has_news(*slot, seen));
  EXPECT_FALSE(read_progress(*slot, seen));
}

TEST(progress_slot, is_never_read_torn) {
  const auto slot = std::make_unique<progress_slot>();
  constexpr int rounds = 100'000;
  std::thread writer([&] {
    for (int i = 1; i <= rounds; ++i) {
      const std::string text(static_cast<std::size_t>(i) % most_progress_bytes,
                             static_cast<char>('a' + i % 26));
      write_progress(*slot, static_cast<std::uint64_t>(i), i, text);
    }
  });
  std::uint32_t seen = 0;
  std::uint64_t last = 0;
  while (last < rounds) {
    const auto found = read_progress(*slot, seen);
    if (!found) continue;
    const auto i = static_cast<int>(found->position);
    ASSERT_GT(found->position, last);
    last = found->position;
    ASSERT_EQ(found->fraction, i);
    ASSERT_EQ(found->text, std::string(static_cast<std::size_t>(i) % most_progress_bytes,
                                       static_cast<char>('a' + i % 26)));
  }
  writer.join();
}

}  // namespace
}  // namespace muster::ipc
