// SPDX-License-Identifier: MIT
// Long random histories of one pair of rings against a simple model: lists of what was sent and not yet
// received.
#include "rings.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>

namespace muster::ipc::test {
namespace {

using small = ring_pair<small_sizes>;
using receiver = basic_request_receiver<machine_atomics, small_sizes>;

struct sent_call {
  std::vector<std::byte> payload;
  carrier by = carrier::slot;
  bool handed_over = false;
};

class history {
public:
  explicit history(std::uint64_t seed) : any_(seed) {}

  void step() {
    switch (any_() % 7) {
      case 0:
      case 1: prepare(); break;
      case 2: hand_over(); break;
      case 3: take_back(); break;
      case 4: claim(); break;
      case 5: answer(); break;
      default: take_reply(); break;
    }
    EXPECT_EQ(ring_.calls_out.in_flight(), waiting_.size() + running_.size() + answers_.size());
    EXPECT_LE(ring_.calls_out.next() - ring_.calls_out.oldest(), small_sizes::slot_count);
    if (ring_.calls_out.in_flight() == 0) {
      EXPECT_EQ(ring_.calls_out.ring_bytes_in_use(), 0u);
    }
  }

  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] std::uint64_t moved() const { return moved_; }

private:
  void prepare() {
    auto payload = some_bytes(any_() % 40, any_());
    const std::uint64_t next = ring_.calls_out.next();
    const auto made = ring_.calls_out.prepare({.task = next * 3}, payload);
    const bool free = !busy(next - small_sizes::slot_count);
    ASSERT_EQ(made.has_value(), free);
    if (!made) return;
    ASSERT_EQ(made->position, next);
    if (payload.size() <= 8) {
      EXPECT_EQ(made->payload, carrier::slot);
    } else if (payload.size() > 32) {
      EXPECT_EQ(made->payload, carrier::parcel);
    } else {
      EXPECT_NE(made->payload, carrier::slot);
    }
    waiting_[next] = {std::move(payload), made->payload, false};
  }

  // Position wraps below zero in the first round, and then it is busy in no list.
  [[nodiscard]] bool busy(std::uint64_t position) const {
    if (waiting_.contains(position) || running_.contains(position)) return true;
    for (const auto& a : answers_) {
      if (a.first == position) return true;
    }
    return false;
  }

  void hand_over() {
    for (auto& [position, call] : waiting_) {
      if (call.handed_over || any_() % 3 == 0) continue;
      if (any_() % 8 == 0) {
        ring_.calls_out.abandon(position);
        waiting_.erase(position);
      } else {
        ring_.calls_out.hand_over(position);
        call.handed_over = true;
      }
      return;
    }
  }

  void take_back() {
    const std::uint64_t position = ring_.calls_out.oldest() + any_() % small_sizes::slot_count;
    const auto found = waiting_.find(position);
    const bool possible = found != waiting_.end() && found->second.handed_over;
    ASSERT_EQ(ring_.calls_out.take_back(position), possible);
    if (!possible) return;
    waiting_.erase(found);
    ++moved_;
  }

  void claim() {
    const auto call = ring_.calls_in.next();
    if (waiting_.empty() || !waiting_.begin()->second.handed_over) {
      ASSERT_FALSE(call);
      return;
    }
    ASSERT_TRUE(call);
    const auto& [position, sent] = *waiting_.begin();
    ASSERT_EQ(call->position, position);
    EXPECT_EQ(call->header.task, position * 3);
    EXPECT_EQ(call->payload, sent.by);
    EXPECT_EQ(call->size, sent.payload.size());
    running_[position] = {*call, sent.payload};
    waiting_.erase(waiting_.begin());
  }

  void answer() {
    if (running_.empty()) return;
    auto which = running_.begin();
    std::advance(which, static_cast<std::ptrdiff_t>(any_() % running_.size()));
    const auto& [call, payload] = which->second;
    // All the time that it runs, nobody has touched its payload.
    if (call.payload != carrier::parcel) {
      EXPECT_EQ(copy_of(ring_.calls_in.payload(call)), payload);
    }
    auto back = some_bytes(any_() % 40, any_());
    const auto by = ring_.replies_out.prepare(call.position, 1, back);
    ASSERT_TRUE(by);  // one reply a call always finds a slot
    if (*by == carrier::parcel) back.clear();
    ring_.replies_out.publish();
    answers_.emplace_back(call.position, std::move(back));
    running_.erase(which);
  }

  void take_reply() {
    std::vector<std::byte> got;
    const auto taken = ring_.take(got);
    ASSERT_FALSE(std::holds_alternative<violation>(taken));
    if (answers_.empty()) {
      ASSERT_TRUE(std::holds_alternative<std::monostate>(taken));
      return;
    }
    ASSERT_TRUE(std::holds_alternative<reply>(taken));
    EXPECT_EQ(std::get<reply>(taken).position, answers_.front().first);
    EXPECT_EQ(got, answers_.front().second);
    ASSERT_TRUE(ring_.calls_out.finished(answers_.front().first));
    answers_.pop_front();
    ++answered_;
  }

  std::mt19937_64 any_;
  small ring_;
  std::map<std::uint64_t, sent_call> waiting_;  // prepared or handed over
  std::map<std::uint64_t, std::pair<receiver::call, std::vector<std::byte>>> running_;
  std::deque<std::pair<std::uint64_t, std::vector<std::byte>>> answers_;
  std::uint64_t answered_ = 0;
  std::uint64_t moved_ = 0;
};

TEST(ring_property, any_history_agrees_with_the_model) {
  const std::uint64_t first = std::random_device{}();
  for (std::uint64_t seed = first; seed < first + 200 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history h(seed);
    for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) h.step();
    EXPECT_GT(h.answered(), 20u);
    EXPECT_GT(h.moved(), 5u);
  }
}

TEST(ring_property, pieces_of_the_byte_ring_never_overlap_and_an_empty_ring_takes_any_quarter) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 any(seed);
  constexpr std::uint64_t capacity = 128;
  struct piece {
    std::uint64_t offset, size, mark;
  };
  std::deque<piece> in_use;
  byte_ring_cursors cursors(capacity);
  for (int i = 0; i < 100'000; ++i) {
    if (any() % 2 == 0 && !in_use.empty()) {
      cursors.free_before(in_use.front().mark);
      in_use.pop_front();
      continue;
    }
    const std::uint64_t size = 1 + any() % (capacity / 4);
    const auto offset = cursors.reserve(size);
    if (in_use.empty()) {
      ASSERT_TRUE(offset);
    }
    if (!offset) continue;
    ASSERT_EQ(*offset % 8, 0u);
    ASSERT_LE(*offset + size, capacity);
    for (const piece& other : in_use) {
      ASSERT_TRUE(*offset + size <= other.offset || other.offset + other.size <= *offset);
    }
    in_use.push_back({*offset, size, cursors.mark()});
  }
}

}  // namespace
}  // namespace muster::ipc::test
