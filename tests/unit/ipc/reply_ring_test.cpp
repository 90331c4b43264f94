// SPDX-License-Identifier: MIT
#include "ipc/loop_bell.hpp"
#include "ipc/reader_bell.hpp"
#include "rings.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace muster::ipc::test {
namespace {

using small = ring_pair<small_sizes>;

std::string what_of(const taken_reply& taken) {
  const auto* v = std::get_if<violation>(&taken);
  return v ? v->what : "";
}

TEST(reply_ring, a_reply_arrives_as_it_was_sent) {
  small ring;
  for (const std::size_t size : {0u, 8u, 9u, 32u}) {
    const auto payload = some_bytes(size, size);
    const auto by = ring.replies_out.prepare(7 + size, 2, payload);
    ASSERT_TRUE(by);
    EXPECT_EQ(*by, size <= small_sizes::reply_inline ? carrier::slot : carrier::ring);
    std::vector<std::byte> got;
    EXPECT_FALSE(ring.replies_in.anything());
    EXPECT_TRUE(std::holds_alternative<std::monostate>(ring.take(got)));
    ring.replies_out.publish();
    EXPECT_TRUE(ring.replies_in.anything());
    const auto taken = ring.take(got);
    ASSERT_TRUE(std::holds_alternative<reply>(taken)) << what_of(taken);
    EXPECT_EQ(std::get<reply>(taken).position, 7 + size);
    EXPECT_EQ(std::get<reply>(taken).status, 2u);
    EXPECT_EQ(got, payload);
  }
}

TEST(reply_ring, a_reply_prepared_again_replaces_the_first) {
  small ring;
  ASSERT_EQ(ring.replies_out.prepare(1, 0, some_bytes(33, 1)),
            carrier::parcel);  // and then it could not be sent
  for (int i = 0; i < 10; ++i) ASSERT_EQ(ring.replies_out.prepare(1, 0, some_bytes(32, 1)), carrier::ring);
  ASSERT_EQ(ring.replies_out.prepare(1, 3, some_bytes(5, 1)), carrier::slot);
  ring.replies_out.publish();
  std::vector<std::byte> got;
  const auto taken = ring.take(got);
  ASSERT_TRUE(std::holds_alternative<reply>(taken));
  EXPECT_EQ(std::get<reply>(taken).status, 3u);
  EXPECT_EQ(got, some_bytes(5, 1));
}

TEST(reply_ring, a_slot_is_reused_only_after_the_owner_has_taken_it) {
  small ring;
  for (std::uint64_t r = 0; r < small_sizes::slot_count; ++r) {
    ASSERT_TRUE(ring.replies_out.prepare(r, 0, some_bytes(32, r)));
    ring.replies_out.publish();
  }
  EXPECT_FALSE(ring.replies_out.prepare(99, 0, {}));
  EXPECT_FALSE(ring.replies_out.wait_for_room(std::chrono::microseconds(300)));
  std::vector<std::byte> got;
  ASSERT_TRUE(std::holds_alternative<reply>(ring.take(got)));
  EXPECT_EQ(got, some_bytes(32, 0));
  EXPECT_TRUE(ring.replies_out.wait_for_room(std::chrono::seconds(60)));
  EXPECT_EQ(ring.replies_out.prepare(4, 0, some_bytes(32, 4)), carrier::ring);
}

TEST(reply_ring, replies_keep_their_order_over_many_rounds) {
  small ring;
  std::vector<std::byte> got;
  std::uint64_t next = 0;
  for (std::uint64_t r = 0; r < 1000; ++r) {
    ASSERT_TRUE(ring.replies_out.prepare(r, 0, some_bytes(r % 33, r)));
    ring.replies_out.publish();
    if (r % 3 == 0 && r % 7 != 0) continue;
    for (auto taken = ring.take(got); std::holds_alternative<reply>(taken); taken = ring.take(got)) {
      EXPECT_EQ(std::get<reply>(taken).position, next);
      EXPECT_EQ(got, some_bytes(next % 33, next));
      ++next;
    }
  }
  EXPECT_GE(next, 999u);
}

// Each lie a worker can tell in the fixed part of a reply, and what the report says about it.
struct lie {
  std::string says;
  std::function<void(basic_reply_slot<machine_atomics, small_sizes>&)> tell;
};

TEST(reply_ring, every_lie_in_a_reply_is_a_violation_that_says_what_was_wrong) {
  const std::vector<lie> lies = {
      {"unknown status 4", [](auto& s) { s.status.set(4); }},
      {"unknown carrier 3", [](auto& s) { s.carrier.set(3); }},
      {"9 bytes in a slot", [](auto& s) { s.size.set(9); }},
      {"18446744073709551615 bytes in a slot", [](auto& s) { s.size.set(~std::uint64_t{0}); }},
      {"33 bytes at offset 0", [](auto& s) { s.carrier.set(1), s.size.set(33); }},
      {"8 bytes at offset 121", [](auto& s) { s.carrier.set(1), s.size.set(8), s.offset.set(121); }},
      {"8 bytes at offset 18446744073709551608",
       [](auto& s) { s.carrier.set(1), s.size.set(8), s.offset.set(~std::uint64_t{7}); }},
      {"a parcel of 1001 bytes", [](auto& s) { s.carrier.set(2), s.size.set(1001); }},
      {"word of reply 0 holds 2", [](auto& s) { s.published.store(2); }},
      {"position 6, which awaits none", [](auto& s) { s.position.set(6); }},
  };
  for (const lie& l : lies) {
    small ring;
    ASSERT_TRUE(ring.replies_out.prepare(5, 0, some_bytes(4, 4)));
    ring.replies_out.publish();
    l.tell(ring.replies->slots[0]);
    std::vector<std::byte> got(200);
    const auto only_five = [&](const reply& r) -> std::optional<std::span<std::byte>> {
      if (r.position != 5) return std::nullopt;
      return std::span(got).first(r.payload == carrier::parcel ? 0 : r.size);
    };
    const auto taken = ring.replies_in.take(only_five);
    ASSERT_TRUE(std::holds_alternative<violation>(taken)) << l.says;
    EXPECT_NE(what_of(taken).find(l.says), std::string::npos) << what_of(taken) << " should say: " << l.says;
    EXPECT_EQ(ring.requests->replies_taken.load(), 0u);
    // From here on nothing the worker writes is looked at, and it cannot keep the loop awake.
    EXPECT_FALSE(ring.replies_in.anything());
    ring.replies->slots[0].published.store(1);
    EXPECT_EQ(what_of(ring.replies_in.take(only_five)), what_of(taken));
  }
}

TEST(reply_ring, the_largest_honest_values_are_no_violation) {
  small ring;
  ASSERT_TRUE(ring.replies_out.prepare(0, 3, some_bytes(8, 0)));
  ring.replies_out.publish();
  ring.replies->slots[0].carrier.set(1);
  ring.replies->slots[0].size.set(32);
  ring.replies->slots[0].offset.set(96);
  std::vector<std::byte> got;
  EXPECT_TRUE(std::holds_alternative<reply>(ring.take(got)));
  ASSERT_EQ(ring.replies_out.prepare(1, 0, some_bytes(1000, 0)), carrier::parcel);
  ring.replies_out.publish();
  const auto taken = ring.take(got);
  ASSERT_TRUE(std::holds_alternative<reply>(taken));
  EXPECT_EQ(std::get<reply>(taken).payload, carrier::parcel);
  EXPECT_EQ(std::get<reply>(taken).size, 1000u);
}

TEST(loop_bell, a_worker_rings_once_for_each_sleep_and_never_while_the_loop_is_awake) {
  const auto memory = std::make_unique<board>();
  loop_bell_waiter loop(*memory);
  loop_bell_ringer one(*memory);
  loop_bell_ringer two(*memory);
  EXPECT_FALSE(one.should_ring());
  loop.before_sleep();
  EXPECT_TRUE(one.should_ring());
  EXPECT_FALSE(one.should_ring());
  EXPECT_TRUE(two.should_ring());
  loop.after_sleep();
  EXPECT_FALSE(one.should_ring());
  loop.before_sleep();
  EXPECT_TRUE(one.should_ring());
  EXPECT_FALSE(one.should_ring());
}

TEST(reader_bell, is_rung_once_for_each_sleep_and_while_it_is_awake_nobody_is) {
  using answer = reader_bell_ringer::answer;
  const auto requests = std::make_unique<request_region>();
  const auto replies = std::make_unique<reply_region>();
  reader_bell reader(*requests, *replies);
  reader_bell_ringer worker(*requests, *replies);
  EXPECT_EQ(worker.ring(), answer::nobody_reads);
  reader.sit();
  EXPECT_EQ(worker.ring(), answer::is_awake);
  const std::uint32_t seen = reader.before_sleep();
  EXPECT_EQ(worker.ring(), answer::wake_it);
  EXPECT_NE(replies->reader_bell.load(), seen);
  EXPECT_EQ(worker.ring(), answer::is_awake);
  reader.after_sleep();
  EXPECT_EQ(worker.ring(), answer::is_awake);
  static_cast<void>(reader.before_sleep());
  EXPECT_EQ(worker.ring(), answer::wake_it);
  reader.leave();
  EXPECT_EQ(worker.ring(), answer::nobody_reads);
}

TEST(reply_ring, what_its_taker_does_not_want_stays_as_if_it_had_not_come) {
  small ring;
  ASSERT_TRUE(ring.replies_out.prepare(5, 2, some_bytes(20, 1)));
  ring.replies_out.publish();
  std::vector<std::byte> got(20);
  const auto into = [&](const reply&) { return std::optional(std::span(got)); };
  std::uint32_t status = 0;
  const auto unwanted = [&](const reply& r) {
    status = r.status;
    return false;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(ring.replies_in.take(unwanted, into)));
  EXPECT_EQ(status, 2U);
  EXPECT_EQ(ring.replies_in.taken(), 0U);
  EXPECT_TRUE(ring.replies_in.anything());
  EXPECT_TRUE(ring.replies_in.has_come(0));
  EXPECT_FALSE(ring.replies_in.has_come(1));
  ASSERT_TRUE(std::holds_alternative<reply>(ring.replies_in.take(into)));
  EXPECT_EQ(got, some_bytes(20, 1));
  EXPECT_TRUE(ring.replies_in.has_come(0)) << "it has, and was taken";
}

}  // namespace
}  // namespace muster::ipc::test
