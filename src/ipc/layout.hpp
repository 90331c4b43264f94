// SPDX-License-Identifier: MIT
// What lies where in the memory that an owner and one worker share: the request region (only the owner writes
// it, the worker's mapping is read-only) and the reply region (both write it, so the owner believes nothing
// in it). The owner of a pool creates the regions, fresh for every worker process; the rings use them.
// docs/internals/ process-protocol.md tells the protocol; here every word names its writer and what its
// ordering pairs with.
#pragma once

#include "ipc/atomics.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace muster::ipc {

inline constexpr std::size_t cache_line = 64;

// The sizes that ship. The model check and the property tests take smaller ones.
struct standard_sizes {
  static constexpr std::size_t slot_count = 256;        // a power of two
  static constexpr std::size_t request_inline = 72;     // bytes of payload in a request slot
  static constexpr std::size_t reply_inline = 88;       // bytes of payload in a reply slot
  static constexpr std::size_t byte_ring = 256 * 1024;  // bytes of payload beside the slots, each way
};

inline constexpr std::size_t slot_count = standard_sizes::slot_count;

// So many calls a worker runs at the same time at most.
inline constexpr std::size_t most_at_once = 64;

// The largest payload that goes through a byte ring: four of them always find room in an empty ring.
template <class Sizes>
inline constexpr std::size_t ring_payload_limit = Sizes::byte_ring / 4;

// No payload is larger than this, whatever carries it.
inline constexpr std::uint64_t payload_limit = std::uint64_t{1} << 30;

// What carries a payload. The numbers are part of the protocol.
enum class carrier : std::uint32_t {
  slot = 0,    // the inline part of the slot
  ring = 1,    // the byte ring of the same region
  parcel = 2,  // a file of its own, sent over the socket before the slot is published
};

// The fixed part of a request. The rings carry it and look into none of it.
struct call_header {
  std::uint64_t task = 0;
  std::uint64_t thunk = 0;
  std::uint64_t target = 0;
  std::uint32_t attempt = 0;
  std::uint32_t flags = 0;

  bool operator==(const call_header&) const = default;
};

// A claim word is position << 2 | state. The word 0 means "never used".
enum class claim_state : std::uint64_t { ready = 1, claimed = 2, taken_back = 3 };

constexpr std::uint64_t claim_word(std::uint64_t position, claim_state state) {
  return position << 2 | static_cast<std::uint64_t>(state);
}
constexpr std::uint64_t claim_position(std::uint64_t word) { return word >> 2; }

// What `stop` holds; 0: nothing.
enum class stop_order : std::uint32_t {
  end = 1,          // and let a handler of the last signal clean up (loop_orders::last_signal)
  end_quietly = 2,  // that signal was sent already
};

// A word of chunks taken. Positions that are alive together differ in their low bits.
constexpr std::uint64_t chunks_word(std::uint64_t position, std::uint64_t taken) {
  return (position & 0xffffffU) << 40U | (taken & 0xff'ffffffffU);
}
// Of such a word, for the stream at this position; 0 where it is about another.
constexpr std::uint64_t chunks_of(std::uint64_t word, std::uint64_t position) {
  return word >> 40U == (position & 0xffffffU) ? word & 0xff'ffffffffU : 0;
}

// Written by the owner before the claim word's store-release, read by the worker after its claim (acquire).
template <class Atomics, class Sizes>
struct basic_request_slot {
  // Owner: position + 1 of a call that shall see its stop token; release, pairs with the worker's acquire. It
  // is written while the call runs, and need never be reset: a later position in the slot is another number.
  typename Atomics::template atomic<std::uint64_t> cancel;
  typename Atomics::template cell<std::uint64_t> task;
  typename Atomics::template cell<std::uint64_t> thunk;
  typename Atomics::template cell<std::uint64_t> target;
  typename Atomics::template cell<std::uint32_t> attempt;
  typename Atomics::template cell<std::uint32_t> flags;
  typename Atomics::template cell<std::uint64_t> size;  // of the payload, in bytes
  typename Atomics::template cell<std::uint32_t> carrier;
  typename Atomics::template cell<std::uint32_t> offset;  // into the byte ring
  typename Atomics::template bytes<Sizes::request_inline> inline_bytes;
};

template <class Atomics, class Sizes>
struct basic_request_region {
  static_assert((Sizes::slot_count & (Sizes::slot_count - 1)) == 0);

  // Owner: how many replies it has copied; release, pairs with the worker's acquire before it reuses a reply
  // slot.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> replies_taken;
  // Owner: bumped (release) after a `cancel` of a slot was stored; a futex word that the worker sleeps on.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> cancel_bell;
  // Owner: a stop_order when the worker shall take no further request; release, followed by the request bell.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> stop;
  // Owner: the number of the last health check; release, followed by the request bell. An idle worker
  // answers.
  typename Atomics::template atomic<std::uint32_t> ping;
  // Owner: 0 while the loop reads the replies; else the number of the thread that does, odd while it sleeps,
  // a new one for every sleep. The worker looks at it behind a seq_cst fence.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> reader;
  // Owner: on which CPU the thread was that last gave this worker a call, see base/spin.hpp; relaxed, a hint.
  typename Atomics::template atomic<std::uint32_t> owner_cpu;
  alignas(cache_line) basic_request_slot<Atomics, Sizes> slots[Sizes::slot_count];
  // Owner: for the call in each slot the low 24 bits of its position, and in the other 40 how many chunks of
  // its stream were taken; release, before the cancel bell is bumped.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> chunks_taken[Sizes::slot_count];
  // Owner: ordered by the claim word of the request that it belongs to.
  alignas(cache_line) typename Atomics::template bytes<Sizes::byte_ring> ring;
};

// Written by the worker before the store-release of `published`, read by the owner after its acquire.
template <class Atomics, class Sizes>
struct basic_reply_slot {
  // Worker: number of the reply + 1; release, pairs with the owner's acquire.
  typename Atomics::template atomic<std::uint64_t> published;
  typename Atomics::template cell<std::uint64_t> position;  // of the request that is answered
  typename Atomics::template cell<std::uint64_t> size;
  typename Atomics::template cell<std::uint32_t> status;  // opaque to the rings
  typename Atomics::template cell<std::uint32_t> carrier;
  typename Atomics::template cell<std::uint64_t> offset;
  typename Atomics::template bytes<Sizes::reply_inline> inline_bytes;
};

template <class Atomics, class Sizes>
struct basic_reply_region {
  // Owner: bumped (release) after it stored 0 in `asleep`; pairs with the worker's acquire before it stores 1
  // there again, so that the owner's 0 cannot land on top of the worker's newer 1. A futex word that the
  // worker sleeps on.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> bell;
  // Worker: 1 before it sleeps, 0 when it does not. Owner: 0 when it rings. Both look at it behind a seq_cst
  // fence.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> asleep;
  // Worker: bumped (release) for a reader that sleeps; pairs with its acquire before it says so. A futex word
  // that the reader sleeps on.
  alignas(cache_line) typename Atomics::template atomic<std::uint32_t> reader_bell;
  // Worker: on which CPU it was when it last claimed a call; relaxed, a hint.
  typename Atomics::template atomic<std::uint32_t> worker_cpu;
  // Owner: ready (release), taken back (compare-exchange). Worker: claimed (compare-exchange). Each acq_rel.
  alignas(cache_line) typename Atomics::template atomic<std::uint64_t> claims[Sizes::slot_count];
  alignas(cache_line) basic_reply_slot<Atomics, Sizes> slots[Sizes::slot_count];
  // Worker: ordered by the `published` word of the reply that it belongs to.
  alignas(cache_line) typename Atomics::template bytes<Sizes::byte_ring> ring;
};

using request_slot = basic_request_slot<machine_atomics, standard_sizes>;
using reply_slot = basic_reply_slot<machine_atomics, standard_sizes>;
using request_region = basic_request_region<machine_atomics, standard_sizes>;
using reply_region = basic_reply_region<machine_atomics, standard_sizes>;

// Two processes read these structures, so nothing about them may depend on who compiled them.
static_assert(std::is_standard_layout_v<request_region> && std::is_standard_layout_v<reply_region>);
static_assert(sizeof(request_slot) == 128 && sizeof(reply_slot) == 128);
static_assert(offsetof(request_slot, inline_bytes) == 56 && offsetof(reply_slot, inline_bytes) == 40);
static_assert(offsetof(request_region, replies_taken) == 0 && offsetof(request_region, cancel_bell) == 64);
static_assert(offsetof(request_region, stop) == 128 && offsetof(request_region, ping) == 132);
static_assert(offsetof(request_region, reader) == 192 && offsetof(request_region, slots) == 256);
static_assert(offsetof(request_region, chunks_taken) == 256 + 128 * slot_count);
static_assert(offsetof(request_region, ring) == 256 + (128 + 8) * slot_count);
static_assert(sizeof(request_region) == 256 + (128 + 8) * slot_count + standard_sizes::byte_ring);
static_assert(offsetof(reply_region, bell) == 0 && offsetof(reply_region, asleep) == 64);
static_assert(offsetof(reply_region, reader_bell) == 128 && offsetof(reply_region, claims) == 192);
static_assert(offsetof(reply_region, slots) == 192 + 8 * slot_count);
static_assert(offsetof(reply_region, ring) == 192 + (8 + 128) * slot_count);
static_assert(sizeof(reply_region) == 192 + (8 + 128) * slot_count + standard_sizes::byte_ring);

}  // namespace muster::ipc
