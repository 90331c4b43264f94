// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "ipc/layout.hpp"
#include "ipc/messages.hpp"
#include "unit/ipc/rings.hpp"

namespace muster::ipc {
namespace {

TEST(chunks_taken, are_about_one_position_and_nothing_to_the_next) {
  for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{255}, std::uint64_t{1} << 40U}) {
    const std::uint64_t word = chunks_word(position, 1'000'000'000'000);
    EXPECT_EQ(chunks_of(word, position), 1'000'000'000'000U);
    EXPECT_EQ(chunks_of(word, position + 1), 0U);
    EXPECT_EQ(chunks_of(word, position + slot_count), 0U);
  }
  EXPECT_EQ(chunks_of(0, 0), 0U);
}

TEST(chunks_taken, cross_the_request_region_and_ring_the_cancel_bell) {
  test::ring_pair<test::small_sizes> rings;
  const auto position = rings.call(1);
  ASSERT_TRUE(position);
  const std::uint32_t before = rings.calls_in.cancel_bell();
  rings.calls_out.chunks_taken(*position, 5);
  EXPECT_EQ(rings.calls_in.chunks_taken(*position), 5U);
  EXPECT_NE(rings.calls_in.cancel_bell(), before);
}

TEST(status_word, holds_how_a_call_ended_what_went_ahead_and_whether_it_logged) {
  for (const auto how :
       {reply_status::value, reply_status::exception, reply_status::refused, reply_status::chunk})
    for (const std::size_t handles : {0U, 1U, 16U})
      for (const bool logged : {false, true}) {
        const std::uint32_t word = status_word(how, handles, logged);
        EXPECT_TRUE(is_status_word(word));
        EXPECT_LE(word, last_status_word);
        EXPECT_EQ(status_of(word), how);
        EXPECT_EQ(handles_of(word), handles);
        EXPECT_EQ(has_spoken(word), logged);
      }
  EXPECT_FALSE(is_status_word(4));
  EXPECT_FALSE(is_status_word(17U << 8U));
  EXPECT_FALSE(is_status_word(1U << 18U));
  EXPECT_TRUE(names_blocks(status_word(reply_status::value, 0, false, true)));
  EXPECT_TRUE(is_status_word(status_word(reply_status::value, 0, false, true)));
  EXPECT_FALSE(names_blocks(status_word(reply_status::chunk, detail::max_handles, true)));
}

}  // namespace
}  // namespace muster::ipc
