// SPDX-License-Identifier: MIT
// The ring that carries calls from the owner to one worker. The owner's end is the request sender, the
// worker's end the request receiver; each lives in the private memory of its process and neither is
// thread-safe: who shares one between threads holds a lock. The sender believes nothing it reads from the
// worker beyond what costs only that worker's calls; docs/internals/process-protocol.md has the table of
// steps.
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

namespace muster::ipc {

template <class Atomics, class Sizes = standard_sizes>
class basic_request_sender {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  // Both regions are fresh (all zero) and outlive the sender.
  basic_request_sender(request_region& requests, reply_region& replies)
      : requests_(requests), replies_(replies) {}

  struct prepared {
    std::uint64_t position;
    carrier payload;  // parcel: send the parcel named by the position first, then hand over
  };

  // Writes a call into the next slot. The worker cannot see it before hand_over. Nothing when the slot is
  // still in use, but for one that was set aside: its later positions are passed over. Never blocks. The
  // payload is at most payload_limit bytes.
  std::optional<prepared> prepare(const call_header& header, std::span<const std::byte> payload) {
    assert(payload.size() <= payload_limit);
    if (aside_count_ == Sizes::slot_count) return std::nullopt;
    while (aside_count_ > 0 && is_aside(entry(next_))) pass_over();
    if (entry(next_).state != phase::free) return std::nullopt;
    const std::uint64_t position = next_++;
    ++in_flight_;
    const std::uint64_t bytes_begin = bytes_.mark();
    const carrier by = write_slot(slot(position), header, payload);
    entry(position) = {position, phase::prepared, false, by == carrier::ring, bytes_begin};
    return prepared{position, by};
  }

  // Where a worker runs several calls at once, one that runs for long shall not hold up the ring. The oldest
  // one, when it has begun, keeps its slot and is no longer in the way of later ones. False: it has not
  // begun, or there is none.
  bool set_aside() {
    if (oldest_ == next_ || !seen_claimed(oldest_)) return false;
    aside_[aside_count_++] = oldest_;
    move_on();
    return true;
  }

  // Positions between those in flight that are over, each of which holds up a slot.
  [[nodiscard]] std::size_t gaps() const {
    return static_cast<std::size_t>(next_ - oldest_) + aside_count_ - in_flight_;
  }

  // How many more calls are sure to find a slot.
  [[nodiscard]] std::size_t room() const {
    const auto used = static_cast<std::size_t>(next_ - oldest_) + aside_count_;
    return used < Sizes::slot_count ? Sizes::slot_count - used : 0;
  }

  // Makes a prepared call claimable. Calls are begun in the order of their positions, whatever the order of
  // the hand-overs. The worker may still sleep: ring afterwards, once for a burst.
  void hand_over(std::uint64_t position) {
    assert(known(position) && entry(position).state == phase::prepared);
    entry(position).state = phase::handed_over;
    Atomics::store(claim(position), claim_word(position, claim_state::ready), std::memory_order_release);
  }

  // Gives a prepared call up, because its parcel could not be sent. The position is skipped by the worker.
  void abandon(std::uint64_t position) {
    assert(known(position) && entry(position).state == phase::prepared);
    // No compare-exchange: a worker that keeps the protocol changes the word only when it finds `ready`
    // there.
    Atomics::store(claim(position), claim_word(position, claim_state::taken_back), std::memory_order_release);
    free_slot(position);
  }

  // One try to get a call back that the worker has not begun. On success the call is the caller's again and
  // its slot is free; on failure it counts as begun from here on, whatever the worker writes later.
  bool take_back(std::uint64_t position) {
    if (!known(position) || entry(position).state != phase::handed_over) return false;
    std::uint64_t expected = claim_word(position, claim_state::ready);
    const std::uint64_t desired = claim_word(position, claim_state::taken_back);
    if (!Atomics::compare_exchange(claim(position), expected, desired, std::memory_order_acq_rel)) {
      note_claimed(position, expected);
      return false;
    }
    free_slot(position);
    return true;
  }

  // Whether the worker has begun the call. Once true it stays true: the answer is kept in private memory.
  bool seen_claimed(std::uint64_t position) {
    if (!known(position)) return false;
    slot_entry& e = entry(position);
    if (e.state == phase::handed_over) {
      const std::uint64_t found = Atomics::load(claim(position), std::memory_order_acquire);
      if (found != claim_word(position, claim_state::ready)) note_claimed(position, found);
    }
    return e.state == phase::begun;
  }

  // Whether the first look that found it begun found a word that no worker writes there. Such a worker may
  // never run the call.
  [[nodiscard]] bool is_ruined(std::uint64_t position) const {
    return known(position) && entries_[position % Sizes::slot_count].ruined;
  }

  // Whether a reply to this position may be believed: it was handed over, and neither answered nor taken
  // back. Safe for any number that a worker may send.
  [[nodiscard]] bool awaits_reply(std::uint64_t position) const {
    if (!known(position)) return false;
    const phase state = entries_[position % Sizes::slot_count].state;
    return state == phase::handed_over || state == phase::begun;
  }

  // The call was answered: frees its slot. False, and nothing is changed, when it awaits no reply.
  bool finished(std::uint64_t position) {
    if (!awaits_reply(position)) return false;
    if (aside_count_ > 0)
      aside_count_ =
          static_cast<std::size_t>(std::remove(aside_.begin(), aside_end(), position) - aside_.begin());
    free_slot(position);
    return true;
  }

  // Positions that were prepared and are neither answered, taken back nor abandoned.
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

  // The oldest of them that was not set aside; next() when there is none. Only these may not have begun, and
  // all of them lie in [oldest(), next()).
  [[nodiscard]] std::uint64_t oldest() const { return oldest_; }
  [[nodiscard]] std::uint64_t next() const { return next_; }
  // All of them, oldest first: for (p = first(); p != next(); p = after(p)).
  [[nodiscard]] std::uint64_t first() const { return aside_count_ == 0 ? oldest_ : aside_[0]; }
  [[nodiscard]] std::uint64_t after(std::uint64_t position) const {
    const auto later = std::upper_bound(aside_.begin(), aside_end(), position);
    if (later != aside_end()) return *later;
    std::uint64_t at = std::max(position + 1, oldest_);
    while (at < next_ && !known(at)) ++at;
    return at;
  }
  [[nodiscard]] std::uint64_t ring_bytes_in_use() const { return bytes_.in_use(); }

  // After one or more hand-overs: true when the worker sleeps, and then the caller calls wake (a system call,
  // which it may want to make outside its lock). Either this look finds `asleep`, or the worker's last look
  // before it sleeps finds the call: two seq_cst fences forbid that both miss.
  [[nodiscard]] bool ring() {
    Atomics::fence_seq_cst();
    if (Atomics::load(replies_.asleep, std::memory_order_relaxed) == 0) return false;
    Atomics::store(replies_.asleep, std::uint32_t{0}, std::memory_order_relaxed);
    Atomics::fetch_add(replies_.bell, std::uint32_t{1}, std::memory_order_release);
    return true;
  }
  void wake() { Atomics::wake(replies_.bell); }

  // The call at this position shall see its stop token. The caller then calls wake_cancel.
  void cancel(std::uint64_t position) {
    assert(known(position));
    Atomics::store(slot(position).cancel, position + 1, std::memory_order_release);
    Atomics::fetch_add(requests_.cancel_bell, std::uint32_t{1}, std::memory_order_release);
  }
  void wake_cancel() { Atomics::wake(requests_.cancel_bell); }

  // So many chunks of the stream at this position were taken. The caller then calls wake_cancel.
  void chunks_taken(std::uint64_t position, std::uint64_t count) {
    Atomics::store(requests_.chunks_taken[position % Sizes::slot_count], chunks_word(position, count),
                   std::memory_order_release);
    Atomics::fetch_add(requests_.cancel_bell, std::uint32_t{1}, std::memory_order_release);
  }

  // The worker shall end when its present call has. Rings and wakes by itself; a rare step.
  void stop(stop_order how = stop_order::end) {
    Atomics::store(requests_.stop, static_cast<std::uint32_t>(how), std::memory_order_release);
    if (ring()) wake();
  }

  // Asks for a sign of life: an idle worker answers with this number, which is never 0. True as for ring().
  [[nodiscard]] bool ping(std::uint32_t number) {
    Atomics::store(requests_.ping, number, std::memory_order_release);
    return ring();
  }

private:
  enum class phase : std::uint8_t { free, prepared, handed_over, begun };

  struct slot_entry {
    std::uint64_t position = 0;
    phase state = phase::free;
    bool ruined = false;            // begun, and the claim word was neither ready nor claimed
    bool in_ring = false;           // its payload is in the byte ring
    std::uint64_t bytes_begin = 0;  // the mark of the byte ring before this position
  };

  // Whether this very position is in flight: a slot is reused only when its call has ended.
  [[nodiscard]] bool known(std::uint64_t position) const {
    const slot_entry& e = entries_[position % Sizes::slot_count];
    return e.position == position && e.state != phase::free;
  }
  [[nodiscard]] auto aside_end() { return aside_.begin() + static_cast<std::ptrdiff_t>(aside_count_); }
  [[nodiscard]] auto aside_end() const { return aside_.begin() + static_cast<std::ptrdiff_t>(aside_count_); }
  [[nodiscard]] bool is_aside(const slot_entry& e) const {
    return e.state == phase::begun && e.position < oldest_;
  }
  // The slot of the next position still belongs to a call that runs. That call has begun, so nobody looks at
  // its claim word any more, and there the worker finds that the position is over.
  void pass_over() {
    Atomics::store(claim(next_), claim_word(next_, claim_state::taken_back), std::memory_order_release);
    if (oldest_ == next_) ++oldest_;
    ++next_;
  }
  slot_entry& entry(std::uint64_t position) { return entries_[position % Sizes::slot_count]; }
  auto& slot(std::uint64_t position) { return requests_.slots[position % Sizes::slot_count]; }
  auto& claim(std::uint64_t position) { return replies_.claims[position % Sizes::slot_count]; }

  void note_claimed(std::uint64_t position, std::uint64_t found) {
    entry(position).state = phase::begun;
    entry(position).ruined = found != claim_word(position, claim_state::claimed);
  }

  carrier write_slot(basic_request_slot<Atomics, Sizes>& to, const call_header& header,
                     std::span<const std::byte> payload) {
    to.task.set(header.task);
    to.thunk.set(header.thunk);
    to.target.set(header.target);
    to.attempt.set(header.attempt);
    to.flags.set(header.flags);
    carrier by = carrier::parcel;
    std::uint64_t offset = 0;
    if (payload.size() <= Sizes::request_inline) {
      by = carrier::slot;
      to.inline_bytes.write(0, payload);
    } else if (payload.size() <= ring_payload_limit<Sizes>) {
      if (const auto found = bytes_.reserve(payload.size())) {
        by = carrier::ring;
        offset = *found;
        requests_.ring.write(offset, payload);
      }
    }
    to.size.set(payload.size());
    to.carrier.set(static_cast<std::uint32_t>(by));
    to.offset.set(static_cast<std::uint32_t>(offset));
    return by;
  }

  void free_slot(std::uint64_t position) {
    entry(position).state = phase::free;
    entry(position).ruined = false;
    --in_flight_;
    move_on();
  }

  // To the oldest in flight that was not set aside. What lies before all of them in the byte ring is free.
  void move_on() {
    while (oldest_ < next_ && (!known(oldest_) || (aside_count_ > 0 && aside_[aside_count_ - 1] == oldest_)))
      ++oldest_;
    std::uint64_t free = oldest_ < next_ ? entry(oldest_).bytes_begin : bytes_.mark();
    for (std::size_t i = 0; i < aside_count_; ++i)
      if (entry(aside_[i]).in_ring) free = std::min(free, entry(aside_[i]).bytes_begin);
    bytes_.free_before(free);
  }

  request_region& requests_;
  reply_region& replies_;
  std::uint64_t next_ = 0;
  std::uint64_t oldest_ = 0;
  std::size_t in_flight_ = 0;
  // Positions before oldest_ that are in flight, in order. No call is there twice, so they fit.
  std::array<std::uint64_t, Sizes::slot_count> aside_{};
  std::size_t aside_count_ = 0;
  byte_ring_cursors bytes_{Sizes::byte_ring};
  std::array<slot_entry, Sizes::slot_count> entries_{};
};

template <class Atomics, class Sizes = standard_sizes>
class basic_request_receiver {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  basic_request_receiver(const request_region& requests, reply_region& replies)
      : requests_(requests), replies_(replies) {}

  struct call {
    std::uint64_t position = 0;
    call_header header;
    carrier payload = carrier::slot;  // parcel: it is in the socket already, named by the position
    std::uint64_t size = 0;
    std::uint32_t offset = 0;
  };

  // Claims the next call; from here on it has begun. Nothing when there is none now. Never blocks.
  std::optional<call> next() {
    for (;;) {
      auto& word = claim(cursor_);
      std::uint64_t found = Atomics::load(word, std::memory_order_acquire);
      if (found == claim_word(cursor_, claim_state::ready) &&
          Atomics::compare_exchange(word, found, claim_word(cursor_, claim_state::claimed),
                                    std::memory_order_acq_rel)) {
        return read_slot(cursor_++);
      }
      // A failed exchange left in `found` what is there now: it was taken back, and perhaps used again since.
      if (!is_past(found)) return std::nullopt;
      ++cursor_;
    }
  }

  // The payload where it lies, for carrier slot and ring. It is good until the reply is published.
  [[nodiscard]] std::span<const std::byte> payload(const call& of) const {
    if (of.payload == carrier::ring) return {requests_.ring.at(of.offset), of.size};
    return {requests_.slots[of.position % Sizes::slot_count].inline_bytes.at(0), of.size};
  }

  // Copies the payload; `to` has the size of the call.
  void read_payload(const call& of, std::span<std::byte> to) const {
    if (of.payload == carrier::ring) {
      requests_.ring.read(of.offset, to);
    } else {
      requests_.slots[of.position % Sizes::slot_count].inline_bytes.read(0, to);
    }
  }

  // Sleeps until there may be something to do: a call, or stop. Returns at once when there is already, and
  // may return for no reason. The caller asks next() and stopping() again.
  void sleep(std::chrono::nanoseconds longest = std::chrono::nanoseconds(-1)) {
    const std::uint32_t seen = Atomics::load(replies_.bell, std::memory_order_acquire);
    Atomics::store(replies_.asleep, std::uint32_t{1}, std::memory_order_relaxed);
    Atomics::fence_seq_cst();
    if (!anything()) {
      if (longest.count() < 0)
        Atomics::wait(replies_.bell, seen);
      else
        Atomics::wait(replies_.bell, seen, longest);
    }
    Atomics::store(replies_.asleep, std::uint32_t{0}, std::memory_order_relaxed);
  }

  // Whether next() would move: for a worker that spins for a while before it sleeps.
  [[nodiscard]] bool anything() const {
    const std::uint64_t found =
        Atomics::load(replies_.claims[cursor_ % Sizes::slot_count], std::memory_order_acquire);
    return found == claim_word(cursor_, claim_state::ready) || is_past(found) || stopping() ||
           last_ping() != answered_;
  }

  // The number of a ping that was not answered yet; 0: none. The worker answers between calls, says so here,
  // and only then sleeps.
  [[nodiscard]] std::uint32_t ping() const {
    const std::uint32_t last = last_ping();
    return last == answered_ ? 0 : last;
  }
  void answered(std::uint32_t number) { answered_ = number; }

  [[nodiscard]] bool stopping() const {
    return Atomics::load(requests_.stop, std::memory_order_acquire) != 0;
  }
  [[nodiscard]] bool is_stopping_quietly() const {
    return Atomics::load(requests_.stop, std::memory_order_acquire) ==
           static_cast<std::uint32_t>(stop_order::end_quietly);
  }

  // For the thread that watches over stop tokens: it reads the bell, looks at the calls that run, and then
  // sleeps on what it read. Unlike the rest of the class these four, and payload, may be called by any
  // thread. A stream that waits for its reader sleeps on the same bell.
  [[nodiscard]] std::uint32_t cancel_bell() const {
    return Atomics::load(requests_.cancel_bell, std::memory_order_acquire);
  }
  [[nodiscard]] bool is_cancelled(std::uint64_t position) const {
    return Atomics::load(requests_.slots[position % Sizes::slot_count].cancel, std::memory_order_acquire) ==
           position + 1;
  }
  [[nodiscard]] std::uint64_t chunks_taken(std::uint64_t position) const {
    return chunks_of(
        Atomics::load(requests_.chunks_taken[position % Sizes::slot_count], std::memory_order_acquire),
        position);
  }
  void wait_for_cancel(std::uint32_t seen,
                       std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
    Atomics::wait(requests_.cancel_bell, seen, timeout);
  }

private:
  auto& claim(std::uint64_t position) { return replies_.claims[position % Sizes::slot_count]; }

  [[nodiscard]] std::uint32_t last_ping() const {
    return Atomics::load(requests_.ping, std::memory_order_acquire);
  }

  // Whether the word says that the position at the cursor is over: taken back, or its slot already in use for
  // a later one. A position before the cursor, or no state at all, means that nothing was handed over yet.
  [[nodiscard]] bool is_past(std::uint64_t word) const {
    if (claim_position(word) != cursor_) return claim_position(word) > cursor_;
    return word == claim_word(cursor_, claim_state::taken_back) ||
           word == claim_word(cursor_, claim_state::claimed);
  }

  // Only the owner writes the request region, so what is read here is either the call or, if this very
  // process has damaged the claim words, an older call of the same slot: the offsets are good in both cases.
  call read_slot(std::uint64_t position) const {
    const auto& from = requests_.slots[position % Sizes::slot_count];
    call c;
    c.position = position;
    c.header = {from.task.get(), from.thunk.get(), from.target.get(), from.attempt.get(), from.flags.get()};
    c.payload = static_cast<carrier>(from.carrier.get());
    c.size = from.size.get();
    c.offset = from.offset.get();
    return c;
  }

  const request_region& requests_;
  reply_region& replies_;
  std::uint64_t cursor_ = 0;
  std::uint32_t answered_ = 0;  // the last ping that was
};

using request_sender = basic_request_sender<machine_atomics>;
using request_receiver = basic_request_receiver<machine_atomics>;

}  // namespace muster::ipc
