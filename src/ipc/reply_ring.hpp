// SPDX-License-Identifier: MIT
// The ring that carries replies from one worker to the owner. The worker's end is the reply sender, the
// owner's end the reply receiver; each lives in the private memory of its process and neither is thread-safe.
// The receiver treats the other side as a stranger: it reads every shared word once, checks the copy, and
// uses only the copy.
#pragma once

#include "ipc/byte_ring.hpp"
#include "ipc/layout.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace muster::ipc {

template <class Atomics, class Sizes = standard_sizes>
class basic_reply_sender {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  basic_reply_sender(const request_region& requests, reply_region& replies)
      : requests_(requests), replies_(replies) {}

  // Writes a reply into the next slot; the owner sees it after publish. Returns what carries the payload: for
  // a parcel the caller sends it, named by the position, and then publishes. Nothing when all slots wait for
  // the owner: with one reply a call that cannot happen, because there are as many reply slots as request
  // slots. Preparing again without publishing replaces what was prepared. Never blocks.
  std::optional<carrier> prepare(std::uint64_t position, std::uint32_t status,
                                 std::span<const std::byte> payload) {
    assert(payload.size() <= payload_limit);
    bytes_.rewind(published_mark_);
    if (!room()) return std::nullopt;
    auto& to = replies_.slots[next_ % Sizes::slot_count];
    carrier by = carrier::parcel;
    std::uint64_t offset = 0;
    if (payload.size() <= Sizes::reply_inline) {
      by = carrier::slot;
      to.inline_bytes.write(0, payload);
    } else if (const auto found = reserve(payload.size())) {
      by = carrier::ring;
      offset = *found;
      replies_.ring.write(offset, payload);
    }
    to.position.set(position);
    to.size.set(payload.size());
    to.status.set(status);
    to.carrier.set(static_cast<std::uint32_t>(by));
    to.offset.set(offset);
    prepared_ = true;
    return by;
  }

  // Gives the prepared reply to the owner. The owner may sleep: ask the loop bell afterwards, once for a
  // burst.
  void publish() {
    assert(prepared_);
    prepared_ = false;
    published_mark_ = bytes_.mark();
    ends_[next_ % Sizes::slot_count] = published_mark_;
    auto& word = replies_.slots[next_ % Sizes::slot_count].published;
    ++next_;
    Atomics::store(word, next_, std::memory_order_release);
  }

  // After prepare said no: waits until a slot is free, at most about `limit`. False when there is none then.
  // It polls, with pauses from 50 us up to 5 ms: the case is so rare that the owner shall not pay a fence for
  // each reply it takes. It sleeps on the stop word only because a futex is the sleep that the policy has.
  bool wait_for_room(std::chrono::nanoseconds limit) {
    std::chrono::nanoseconds pause = std::chrono::microseconds(50);
    while (!room()) {
      if (limit <= std::chrono::nanoseconds::zero()) return false;
      pause = std::min(pause, limit);
      const std::uint32_t stop = Atomics::load(requests_.stop, std::memory_order_relaxed);
      Atomics::wait(requests_.stop, stop, pause);
      limit -= pause;
      pause = std::min<std::chrono::nanoseconds>(pause * 2, std::chrono::milliseconds(5));
    }
    return true;
  }

  // How many replies the owner has not copied yet, as far as this side knows.
  [[nodiscard]] std::uint64_t waiting() const { return next_ - taken_; }

private:
  bool room() {
    if (next_ - taken_ < Sizes::slot_count) return true;
    refresh();
    return next_ - taken_ < Sizes::slot_count;
  }

  std::optional<std::uint64_t> reserve(std::uint64_t size) {
    if (size > ring_payload_limit<Sizes>) return std::nullopt;
    if (const auto found = bytes_.reserve(size)) return found;
    refresh();
    return bytes_.reserve(size);
  }

  void refresh() {
    const std::uint64_t taken = Atomics::load(requests_.replies_taken, std::memory_order_acquire);
    assert(taken <= next_);
    for (; taken_ < taken; ++taken_) bytes_.free_before(ends_[taken_ % Sizes::slot_count]);
  }

  const request_region& requests_;
  reply_region& replies_;
  std::uint64_t next_ = 0;   // the number of the reply that comes next
  std::uint64_t taken_ = 0;  // what was last read from replies_taken
  std::uint64_t published_mark_ = 0;
  bool prepared_ = false;
  byte_ring_cursors bytes_{Sizes::byte_ring};
  std::array<std::uint64_t, Sizes::slot_count> ends_{};  // the mark of the byte ring behind each reply
};

// One reply, checked. `position` is a number between the bounds of nothing: ask the request sender whether it
// awaits a reply (take does, through the function it is given).
struct reply {
  std::uint64_t position = 0;
  std::uint32_t status = 0;
  carrier payload = carrier::slot;
  std::uint64_t size = 0;
};

// The worker broke the protocol. `what` says how, for the report of its death.
struct violation {
  std::string what;
};

using taken_reply = std::variant<std::monostate, reply, violation>;

// What the owner will believe at most.
struct reply_limits {
  std::uint32_t max_status = 0;
  std::uint64_t max_parcel = payload_limit;
};

template <class Atomics, class Sizes = standard_sizes>
class basic_reply_receiver {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  basic_reply_receiver(request_region& requests, const reply_region& replies, reply_limits limits)
      : requests_(requests), replies_(replies), limits_(limits) {}

  // Takes the next reply, if there is one. `buffer_for(const reply&)` is called once the reply has passed
  // every check but that of its position; it returns std::optional<std::span<std::byte>>: private memory for
  // exactly `size` bytes (for a parcel: an empty span), or nothing when this position awaits no reply, which
  // makes the reply a violation. After the call the payload is in that memory and the worker may use the slot
  // again. After a violation every further call returns it again and touches nothing shared. One that is not
  // `wanted`, a function of the same reply, stays where it is, as if it had not come yet.
  template <class Wanted, class BufferFor>
  taken_reply take(Wanted&& wanted, BufferFor&& buffer_for) {
    if (broken_) return violation{what_};
    const auto& from = replies_.slots[next_ % Sizes::slot_count];
    const std::uint64_t published = Atomics::load(from.published, std::memory_order_acquire);
    if (published == not_yet(next_)) return std::monostate{};
    if (published != next_ + 1) {
      return fail("the word of reply " + std::to_string(next_) + " holds " + std::to_string(published));
    }
    const fixed_part fixed{from.position.get(), from.size.get(), from.status.get(), from.carrier.get(),
                           from.offset.get()};
    if (auto wrong = check(fixed)) return fail(std::move(*wrong));
    const reply r{fixed.position, fixed.status, static_cast<carrier>(fixed.carrier), fixed.size};
    if (!wanted(r)) return std::monostate{};
    const std::optional<std::span<std::byte>> buffer = buffer_for(r);
    if (!buffer) return fail("a reply to position " + std::to_string(r.position) + ", which awaits none");
    if (r.payload != carrier::parcel) {
      assert(buffer->size() == r.size);
      if (r.payload == carrier::slot)
        from.inline_bytes.read(0, *buffer);
      else
        replies_.ring.read(fixed.offset, *buffer);
    }
    ++next_;
    Atomics::store(requests_.replies_taken, next_, std::memory_order_release);
    return r;
  }
  template <class BufferFor>
  taken_reply take(BufferFor&& buffer_for) {
    return take([](const reply&) { return true; }, std::forward<BufferFor>(buffer_for));
  }

  // Whether take would return something: the look before the owner's loop sleeps. A broken ring has nothing
  // more to say, so it does not keep the loop awake.
  [[nodiscard]] bool anything() const { return !broken_ && has_come(next_); }

  // Whether reply `number` is there, or a later one. Any thread, though others take replies meanwhile.
  [[nodiscard]] bool has_come(std::uint64_t number) const {
    return Atomics::load(replies_.slots[number % Sizes::slot_count].published, std::memory_order_acquire) !=
           not_yet(number);
  }

  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] std::uint64_t taken() const { return next_; }

private:
  // The private copy of a slot's fixed part: read once, and nothing but this is checked or used.
  struct fixed_part {
    std::uint64_t position;
    std::uint64_t size;
    std::uint32_t status;
    std::uint32_t carrier;
    std::uint64_t offset;
  };

  // What the slot's word holds until the worker publishes: the number of one round before, or 0 in the first.
  [[nodiscard]] static std::uint64_t not_yet(std::uint64_t number) {
    return number < Sizes::slot_count ? 0 : number + 1 - Sizes::slot_count;
  }

  [[nodiscard]] std::optional<std::string> check(const fixed_part& f) const {
    if (f.status > limits_.max_status) return "unknown status " + std::to_string(f.status);
    switch (f.carrier) {
      case static_cast<std::uint32_t>(carrier::slot):
        if (f.size > Sizes::reply_inline)
          return "a payload of " + std::to_string(f.size) + " bytes in a slot";
        return std::nullopt;
      case static_cast<std::uint32_t>(carrier::ring):
        if (f.size > ring_payload_limit<Sizes> || f.offset > Sizes::byte_ring ||
            f.size > Sizes::byte_ring - f.offset) {
          return "a payload of " + std::to_string(f.size) + " bytes at offset " + std::to_string(f.offset) +
                 " of the byte ring";
        }
        return std::nullopt;
      case static_cast<std::uint32_t>(carrier::parcel):
        if (f.size > limits_.max_parcel) return "a parcel of " + std::to_string(f.size) + " bytes";
        return std::nullopt;
      default: return "unknown carrier " + std::to_string(f.carrier);
    }
  }

  taken_reply fail(std::string what) {
    broken_ = true;
    what_ = std::move(what);
    return violation{what_};
  }

  request_region& requests_;
  const reply_region& replies_;
  reply_limits limits_;
  std::uint64_t next_ = 0;  // the number of the reply that comes next
  bool broken_ = false;     // the worker has broken the protocol, and what_ says how
  std::string what_;
};

using reply_sender = basic_reply_sender<machine_atomics>;
using reply_receiver = basic_reply_receiver<machine_atomics>;

}  // namespace muster::ipc
