// SPDX-License-Identifier: MIT
#include "rings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace muster::ipc::test {
namespace {

using small = ring_pair<small_sizes>;
using standard = ring_pair<standard_sizes>;

TEST(request_ring, a_call_arrives_as_it_was_sent) {
  standard ring;
  const auto payload = some_bytes(standard_sizes::request_inline, 1);
  const call_header header{.task = 1, .thunk = ~std::uint64_t{0}, .target = 3, .attempt = 4, .flags = 5};
  const auto made = ring.calls_out.prepare(header, payload);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->payload, carrier::slot);
  ring.calls_out.hand_over(made->position);
  const auto call = ring.calls_in.next();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->position, made->position);
  EXPECT_EQ(call->header, header);
  EXPECT_EQ(copy_of(ring.calls_in.payload(*call)), payload);
}

TEST(request_ring, a_payload_travels_in_the_slot_the_ring_or_a_parcel_by_its_size) {
  standard ring;
  const auto carrier_of = [&](std::size_t size) {
    return ring.calls_out.prepare({}, some_bytes(size, 2))->payload;
  };
  EXPECT_EQ(carrier_of(0), carrier::slot);
  EXPECT_EQ(carrier_of(standard_sizes::request_inline), carrier::slot);
  EXPECT_EQ(carrier_of(standard_sizes::request_inline + 1), carrier::ring);
  EXPECT_EQ(carrier_of(standard_sizes::byte_ring / 4), carrier::ring);
  EXPECT_EQ(carrier_of(standard_sizes::byte_ring / 4 + 1), carrier::parcel);
}

TEST(request_ring, a_payload_that_finds_the_byte_ring_full_becomes_a_parcel) {
  small ring;
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(ring.calls_out.prepare({}, some_bytes(32, 3))->payload, carrier::ring);
  EXPECT_EQ(ring.calls_out.ring_bytes_in_use(), 96u);
  small other;
  ASSERT_TRUE(other.call(0, some_bytes(20, 1)));  // 24 bytes in use from here on shift the rest past the end
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(other.calls_out.prepare({}, some_bytes(32, 3))->payload, carrier::ring);
  ASSERT_TRUE(other.calls_out.take_back(0));
  EXPECT_EQ(other.calls_out.prepare({}, some_bytes(32, 3))->payload, carrier::parcel);
}

TEST(request_ring, nothing_is_seen_before_the_hand_over) {
  small ring;
  const auto made = ring.calls_out.prepare({.task = 9}, {});
  ASSERT_TRUE(made);
  EXPECT_FALSE(ring.calls_in.anything());
  EXPECT_FALSE(ring.calls_in.next());
  EXPECT_FALSE(ring.calls_out.awaits_reply(made->position));
  EXPECT_FALSE(ring.calls_out.take_back(made->position));
  ring.calls_out.hand_over(made->position);
  EXPECT_TRUE(ring.calls_in.anything());
  EXPECT_TRUE(ring.calls_in.next());
}

TEST(request_ring, an_abandoned_position_is_skipped) {
  small ring;
  const auto first = ring.calls_out.prepare({.task = 1}, {});
  const auto second = ring.call(2);
  EXPECT_FALSE(ring.calls_in.next());  // the second waits behind the first
  ring.calls_out.abandon(first->position);
  const auto call = ring.calls_in.next();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->position, *second);
  EXPECT_EQ(ring.calls_out.in_flight(), 1u);
}

TEST(request_ring, a_call_taken_back_is_never_claimed) {
  small ring;
  const auto taken = ring.call(1);
  const auto kept = ring.call(2);
  EXPECT_TRUE(ring.calls_out.take_back(*taken));
  EXPECT_FALSE(ring.calls_out.take_back(*taken));
  const auto call = ring.calls_in.next();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->position, *kept);
  EXPECT_FALSE(ring.calls_in.next());
}

TEST(request_ring, a_claimed_call_is_never_taken_back) {
  small ring;
  const auto position = ring.call(1);
  EXPECT_FALSE(ring.calls_out.seen_claimed(*position));
  ASSERT_TRUE(ring.calls_in.next());
  EXPECT_FALSE(ring.calls_out.take_back(*position));
  EXPECT_TRUE(ring.calls_out.seen_claimed(*position));
  EXPECT_TRUE(ring.calls_out.awaits_reply(*position));
}

TEST(request_ring, what_was_seen_to_be_begun_stays_begun_whatever_the_worker_writes) {
  small ring;
  const auto position = ring.call(1);
  ASSERT_TRUE(ring.calls_in.next());
  ASSERT_TRUE(ring.calls_out.seen_claimed(*position));
  ring.replies->claims[*position].store(claim_word(*position, claim_state::ready));
  EXPECT_TRUE(ring.calls_out.seen_claimed(*position));
  EXPECT_FALSE(ring.calls_out.take_back(*position));
}

TEST(request_ring, a_damaged_claim_word_counts_as_begun) {
  small ring;
  const auto position = ring.call(1);
  ring.replies->claims[*position].store(0xdeadbeef);
  EXPECT_FALSE(ring.calls_out.take_back(*position));
  EXPECT_TRUE(ring.calls_out.seen_claimed(*position));
}

TEST(request_ring, a_claim_word_that_no_worker_writes_is_remembered_as_ruin) {
  small ring;
  const auto good = ring.call(1), ruined = ring.call(2), refused = ring.call(3);
  ASSERT_TRUE(ring.calls_in.next());
  EXPECT_TRUE(ring.calls_out.seen_claimed(*good));
  EXPECT_FALSE(ring.calls_out.is_ruined(*good));
  EXPECT_FALSE(ring.calls_out.seen_claimed(*ruined));
  EXPECT_FALSE(ring.calls_out.is_ruined(*ruined)) << "it waits";
  for (auto& word : ring.replies->claims) word.store(77);
  EXPECT_FALSE(ring.calls_out.is_ruined(*good)) << "what was seen is kept";
  EXPECT_TRUE(ring.calls_out.seen_claimed(*ruined));
  EXPECT_TRUE(ring.calls_out.is_ruined(*ruined));
  EXPECT_FALSE(ring.calls_out.take_back(*refused));
  EXPECT_TRUE(ring.calls_out.is_ruined(*refused)) << "found by taking it back";
  EXPECT_TRUE(ring.calls_out.finished(*refused));
  EXPECT_FALSE(ring.calls_out.is_ruined(*refused));
}

TEST(request_ring, a_full_ring_takes_no_call_until_the_oldest_ends) {
  small ring;
  for (std::uint64_t i = 0; i < small_sizes::slot_count; ++i) ASSERT_TRUE(ring.call(i));
  EXPECT_FALSE(ring.call(99));
  while (ring.calls_in.next()) {}
  EXPECT_TRUE(ring.calls_out.finished(1));
  EXPECT_FALSE(ring.call(99));  // the slot that comes next is that of position 0
  EXPECT_TRUE(ring.calls_out.finished(0));
  EXPECT_EQ(ring.call(99), small_sizes::slot_count);
  EXPECT_EQ(ring.calls_out.oldest(), 2u);
}

// Calls that run for as long as the test lasts, each with the position that it had.
std::vector<std::uint64_t> begin(small& ring, std::size_t count) {
  std::vector<std::uint64_t> begun;
  for (std::size_t i = 0; i < count; ++i) {
    (void)ring.call(i);
    begun.push_back(ring.calls_in.next().value().position);
  }
  return begun;
}

TEST(request_ring, a_call_that_was_set_aside_is_passed_over_in_every_round) {
  small ring;
  const auto held = begin(ring, 2);
  ASSERT_TRUE(ring.calls_out.set_aside());
  ASSERT_TRUE(ring.calls_out.set_aside());
  EXPECT_FALSE(ring.calls_out.set_aside()) << "there is no other";
  for (std::uint64_t i = 0; i < 20 * small_sizes::slot_count; ++i) {
    ASSERT_GT(ring.calls_out.room(), 0U);
    const auto position = ring.call(1'000 + i, some_bytes(i % 20, i));
    ASSERT_TRUE(position);
    EXPECT_NE(*position % small_sizes::slot_count, held[0]);
    EXPECT_NE(*position % small_sizes::slot_count, held[1]);
    const auto call = ring.calls_in.next();
    ASSERT_TRUE(call);
    ASSERT_EQ(call->position, *position);
    EXPECT_EQ(call->header.task, 1'000 + i);
    EXPECT_EQ(copy_of(ring.calls_in.payload(*call)), some_bytes(i % 20, i));
    EXPECT_FALSE(ring.calls_in.next());
    EXPECT_EQ(ring.calls_out.in_flight(), 3U);
    EXPECT_TRUE(ring.calls_out.finished(*position));
  }
  for (const std::uint64_t each : held) {
    EXPECT_TRUE(ring.calls_out.seen_claimed(each));
    EXPECT_FALSE(ring.calls_out.take_back(each));
    EXPECT_FALSE(ring.calls_out.awaits_reply(each + small_sizes::slot_count)) << "a position passed over";
    EXPECT_FALSE(ring.calls_out.finished(each + small_sizes::slot_count));
    EXPECT_TRUE(ring.calls_out.finished(each));
    EXPECT_FALSE(ring.calls_out.finished(each)) << "twice";
  }
  EXPECT_EQ(ring.calls_out.in_flight(), 0U);
  EXPECT_EQ(ring.calls_out.first(), ring.calls_out.next());
  EXPECT_EQ(ring.calls_out.ring_bytes_in_use(), 0U);
  for (std::size_t i = 0; i < small_sizes::slot_count; ++i) EXPECT_TRUE(ring.call(i)) << "every slot is back";
}

TEST(request_ring, calls_are_listed_in_order_those_set_aside_first) {
  small ring;
  const auto held = begin(ring, 2);
  ASSERT_TRUE(ring.calls_out.set_aside());  // the first only
  for (int round = 0; round < 3; ++round) {
    const auto position = ring.call(7);
    ASSERT_TRUE(position);
    std::vector<std::uint64_t> listed;
    for (auto p = ring.calls_out.first(); p != ring.calls_out.next(); p = ring.calls_out.after(p))
      listed.push_back(p);
    EXPECT_EQ(listed, (std::vector<std::uint64_t>{held[0], held[1], *position}));
    if (round == 1) {
      ASSERT_TRUE(ring.calls_out.set_aside());
    }
    ASSERT_TRUE(ring.calls_in.next());
    EXPECT_TRUE(ring.calls_out.finished(*position));
  }
}

TEST(request_ring, only_a_call_that_has_begun_is_set_aside) {
  small ring;
  EXPECT_FALSE(ring.calls_out.set_aside());
  ASSERT_TRUE(ring.call(1));
  EXPECT_FALSE(ring.calls_out.set_aside());
  ASSERT_TRUE(ring.calls_in.next());
  EXPECT_TRUE(ring.calls_out.set_aside());
  EXPECT_EQ(ring.calls_out.first(), 0U);
  EXPECT_EQ(ring.calls_out.oldest(), 1U);
}

TEST(request_ring, with_all_slots_set_aside_takes_no_call) {
  small ring;
  (void)begin(ring, small_sizes::slot_count);
  while (ring.calls_out.set_aside()) {}
  EXPECT_EQ(ring.calls_out.room(), 0U);
  EXPECT_FALSE(ring.call(1));
  EXPECT_TRUE(ring.calls_out.finished(2));
  EXPECT_EQ(ring.call(1), small_sizes::slot_count + 2) << "the only slot that is free";
}

TEST(request_ring, the_bytes_of_a_call_that_was_set_aside_stay_while_it_runs) {
  small ring;
  const auto bytes = some_bytes(32, 5);
  ASSERT_TRUE(ring.call(1, bytes));
  const auto long_one = ring.calls_in.next();
  ASSERT_TRUE(long_one && ring.calls_out.set_aside());
  bool met_a_parcel = false;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto made = ring.calls_out.prepare({.task = i}, some_bytes(32, 100 + i));
    ASSERT_TRUE(made);
    met_a_parcel |= made->payload == carrier::parcel;
    ring.calls_out.hand_over(made->position);
    ASSERT_TRUE(ring.calls_in.next());
    ASSERT_TRUE(ring.calls_out.finished(made->position));
    EXPECT_EQ(copy_of(ring.calls_in.payload(*long_one)), bytes);
  }
  EXPECT_TRUE(met_a_parcel) << "bytes are freed in their order";
  EXPECT_TRUE(ring.calls_out.finished(0));
  EXPECT_EQ(ring.calls_out.ring_bytes_in_use(), 0U);
}

TEST(request_ring, a_worker_far_behind_skips_whole_rounds) {
  small ring;
  for (std::uint64_t i = 0; i < 3 * small_sizes::slot_count + 1; ++i) {
    ASSERT_TRUE(ring.call(i));
    ASSERT_TRUE(ring.calls_out.take_back(i));
  }
  const auto position = ring.call(77);
  const auto call = ring.calls_in.next();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->position, *position);
  EXPECT_EQ(call->header.task, 77u);
}

TEST(request_ring, a_reply_is_awaited_only_by_a_call_that_was_handed_over_and_has_not_ended) {
  small ring;
  EXPECT_FALSE(ring.calls_out.awaits_reply(0));
  const auto position = ring.call(1);
  EXPECT_TRUE(ring.calls_out.awaits_reply(*position));
  EXPECT_FALSE(ring.calls_out.awaits_reply(*position + 1));
  EXPECT_FALSE(ring.calls_out.awaits_reply(*position + small_sizes::slot_count));
  EXPECT_FALSE(ring.calls_out.awaits_reply(~std::uint64_t{0}));
  EXPECT_FALSE(ring.calls_out.finished(~std::uint64_t{0}));
  EXPECT_TRUE(ring.calls_out.finished(*position));
  EXPECT_FALSE(ring.calls_out.finished(*position));
  EXPECT_FALSE(ring.calls_out.awaits_reply(*position));
}

TEST(request_ring, a_worker_that_is_awake_is_not_woken) {
  small ring;
  ASSERT_TRUE(ring.call(1));
  EXPECT_FALSE(ring.calls_out.ring());
  ring.replies->asleep.store(1);
  EXPECT_TRUE(ring.calls_out.ring());
  EXPECT_FALSE(ring.calls_out.ring());  // once a sleep
}

TEST(request_ring, a_worker_does_not_sleep_before_a_call_or_a_stop) {
  small ring;
  ASSERT_TRUE(ring.call(1));
  ring.calls_in.sleep();  // would hang
  EXPECT_EQ(ring.replies->asleep.load(), 0u);
  ASSERT_TRUE(ring.calls_in.next());
  ring.calls_out.stop();
  ring.calls_in.sleep();
  EXPECT_TRUE(ring.calls_in.stopping());
}

TEST(request_ring, a_worker_does_not_sleep_before_it_has_answered_a_ping) {
  small ring;
  EXPECT_EQ(ring.calls_in.ping(), 0u);
  ring.replies->asleep.store(1);
  EXPECT_TRUE(ring.calls_out.ping(7)) << "who sleeps is to be woken";
  ring.calls_in.sleep();  // would hang
  EXPECT_EQ(ring.calls_in.ping(), 7u);
  ring.calls_in.answered(7);
  EXPECT_EQ(ring.calls_in.ping(), 0u);
  EXPECT_FALSE(ring.calls_in.anything());
}

TEST(request_ring, every_call_to_a_sleepy_worker_arrives) {
  standard ring;
  constexpr std::uint64_t calls = 20'000;
  std::uint64_t seen = 0;
  std::thread worker([&] {
    while (!ring.calls_in.stopping() || ring.calls_in.anything()) {
      while (const auto call = ring.calls_in.next()) {
        EXPECT_EQ(call->header.task, seen);
        ++seen;
        ASSERT_TRUE(ring.replies_out.prepare(call->position, 0, {}));
        ring.replies_out.publish();
      }
      if (ring.calls_in.stopping()) return;
      ring.calls_in.sleep();
    }
  });
  std::vector<std::byte> payload;
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  while (answered < calls) {
    if (sent < calls && sent - answered < 3 && ring.call(sent)) {
      ++sent;
      if (ring.calls_out.ring()) ring.calls_out.wake();
    }
    const auto taken = ring.take(payload);
    ASSERT_FALSE(std::holds_alternative<violation>(taken));
    if (const auto* r = std::get_if<reply>(&taken)) {
      EXPECT_TRUE(ring.calls_out.finished(r->position));
      ++answered;
    } else {
      std::this_thread::yield();
    }
  }
  ring.calls_out.stop();
  worker.join();
  EXPECT_EQ(seen, calls);
}

TEST(request_ring, two_cancels_close_together_are_both_seen) {
  small ring;
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(ring.call(i));
    ASSERT_TRUE(ring.calls_in.next());
  }
  const std::uint32_t bell = ring.calls_in.cancel_bell();
  ring.calls_out.cancel(0);
  ring.calls_out.cancel(2);
  ring.calls_in.wait_for_cancel(bell);  // would hang if the bell had not been bumped
  EXPECT_TRUE(ring.calls_in.is_cancelled(0));
  EXPECT_FALSE(ring.calls_in.is_cancelled(1));
  EXPECT_TRUE(ring.calls_in.is_cancelled(2));
  EXPECT_TRUE(ring.calls_out.finished(0));
  ASSERT_TRUE(ring.call(3));
  ASSERT_TRUE(ring.call(4));
  EXPECT_FALSE(ring.calls_in.is_cancelled(4));  // it uses the slot of position 0 again
}

}  // namespace
}  // namespace muster::ipc::test
