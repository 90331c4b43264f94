// SPDX-License-Identifier: MIT
// A worker that writes whatever it likes into the reply region while the owner reads it. The regions are
// blocks of the heap of exactly their size, and so are the owner's buffers, so that AddressSanitizer sees
// every step outside.
#include "rings.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace muster::ipc::test {
namespace {

using small = ring_pair<small_sizes>;
using random = std::mt19937_64;

// A data race is the very subject here, so the writer is none of ThreadSanitizer's business.
#define NOT_FOR_THREAD_SANITIZER __attribute__((no_sanitize("thread")))

NOT_FOR_THREAD_SANITIZER void put(void* at, std::uint64_t value, std::size_t size) {
  auto* bytes = static_cast<volatile unsigned char*>(at);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
}

// Random words anywhere in the region.
NOT_FOR_THREAD_SANITIZER void scribble(small& ring, random& any) {
  auto* bytes = reinterpret_cast<unsigned char*>(ring.replies.get());
  put(bytes + any() % (sizeof(*ring.replies) - 8), any() % 4 == 0 ? any() : any() % 300, 8);
}

std::uint64_t edgy(random& any) {
  static constexpr std::uint64_t edges[] = {0,  1,   7,   8,   9,           31,         32,
                                            33, 127, 128, 129, 0xffffffffu, 1ull << 63, ~0ull};
  return edges[any() % std::size(edges)];
}

// A reply with the right number and lies in the rest, which goes on changing after it was published.
NOT_FOR_THREAD_SANITIZER void pretend(small& ring, random& any) {
  const std::uint64_t r = ring.requests->replies_taken.load(std::memory_order_acquire);
  auto& slot = ring.replies->slots[r % small_sizes::slot_count];
  const auto lie = [&] {
    put(&slot.position, any() % 3 == 0 ? edgy(any) : any() % 8, 8);
    put(&slot.size, any() % 3 == 0 ? edgy(any) : any() % 9, 8);
    put(&slot.status, any() % 16 == 0 ? edgy(any) : any() % 4, 4);
    put(&slot.carrier, any() % 16 == 0 ? edgy(any) : any() % 3, 4);
    put(&slot.offset, any() % 3 == 0 ? edgy(any) : any() % 100, 8);
  };
  lie();
  put(&slot.published, r + 1, 8);
  for (int i = 0; i < 4; ++i) lie();
}

struct outcome {
  std::uint64_t replies = 0;
  std::uint64_t violations = 0;
};

// Runs the owner against the writer until it has seen `rounds` violations or replies.
template <class Writer>
outcome run(Writer write, std::uint64_t rounds) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  small ring;
  std::atomic<bool> end{false};
  std::thread worker([&] {
    random any(seed);
    while (!end.load(std::memory_order_relaxed)) write(ring, any);
  });
  outcome o;
  while (o.replies + o.violations < rounds) {
    // The owner kills a worker after a violation; here the next receiver stands for that of the next worker.
    basic_reply_receiver<machine_atomics, small_sizes> in(*ring.requests, *ring.replies,
                                                          {.max_status = 3, .max_parcel = 50});
    ring.requests->replies_taken.store(0, std::memory_order_release);
    while (!in.broken()) {
      std::unique_ptr<std::byte[]> buffer;
      bool asked = false;
      reply shown;
      const auto taken = in.take([&](const reply& r) -> std::optional<std::span<std::byte>> {
        EXPECT_FALSE(asked);
        asked = true;
        shown = r;
        EXPECT_LE(r.status, 3u);
        EXPECT_LE(r.size, r.payload == carrier::parcel ? 50u : r.payload == carrier::ring ? 32u : 8u);
        if (r.position >= 8) return std::nullopt;
        const std::size_t size = r.payload == carrier::parcel ? 0 : r.size;
        buffer = std::make_unique<std::byte[]>(size);
        return std::span<std::byte>(buffer.get(), size);
      });
      if (const auto* r = std::get_if<reply>(&taken)) {
        ++o.replies;
        // What comes out is what was checked, however the slot has changed since.
        EXPECT_TRUE(r->position == shown.position && r->size == shown.size && r->payload == shown.payload);
        EXPECT_LT(r->position, 8u);
      } else if (const auto* v = std::get_if<violation>(&taken)) {
        ++o.violations;
        EXPECT_FALSE(v->what.empty());
      }
      if (o.replies + o.violations >= rounds) break;
    }
  }
  end.store(true, std::memory_order_relaxed);
  worker.join();
  return o;
}

TEST(hostile_worker, random_garbage_gives_violations_and_never_a_read_outside) {
  const outcome o = run(scribble, 20'000);
  EXPECT_GT(o.violations, 0u);
}

TEST(hostile_worker, replies_that_change_while_they_are_read_are_either_valid_or_violations) {
  const outcome o = run(pretend, 50'000);
  EXPECT_GT(o.violations, 0u);
  EXPECT_GT(o.replies, 0u);
}

TEST(hostile_worker, damaged_claim_words_cost_only_calls_that_were_handed_over) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  small ring;
  std::atomic<bool> end{false};
  std::thread worker([&] {
    random any(seed);
    while (!end.load(std::memory_order_relaxed)) {
      const std::uint64_t p = any() % 2000;
      const std::uint64_t word = any() % 2 == 0 ? any() : claim_word(p, static_cast<claim_state>(any() % 4));
      put(&ring.replies->claims[any() % small_sizes::slot_count], word, 8);
      put(&ring.replies->asleep, any() % 2, 4);
      put(&ring.replies->bell, any(), 4);
    }
  });
  std::uint64_t ended = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    while (!ring.call(i, some_bytes(i % 33, i))) {
      // Every call gets one verdict, and it does not change any more.
      const std::uint64_t p = ring.calls_out.oldest();
      const bool begun = ring.calls_out.seen_claimed(p);
      if (ring.calls_out.take_back(p)) {
        EXPECT_FALSE(begun);
      } else {
        EXPECT_TRUE(ring.calls_out.seen_claimed(p));
        EXPECT_FALSE(ring.calls_out.take_back(p));
        EXPECT_TRUE(ring.calls_out.finished(p));
      }
      EXPECT_FALSE(ring.calls_out.awaits_reply(p));
      ++ended;
    }
    if (ring.calls_out.ring()) ring.calls_out.wake();
  }
  end.store(true, std::memory_order_relaxed);
  worker.join();
  EXPECT_EQ(ended + ring.calls_out.in_flight(), 2000u);
}

}  // namespace
}  // namespace muster::ipc::test
