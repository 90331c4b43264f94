// SPDX-License-Identifier: MIT
#pragma once

// Everything that travels between owner and worker beside the rings: the messages on the control socket, and
// what a reply's status and a request's flags mean. One list, so that both sides and the documentation agree.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <muster/bytes.hpp>

namespace muster::ipc {

// A message on the control socket begins with this; `kind` says what follows and who sends it.
enum class control_kind : std::uint32_t {
  ready = 1,        // worker: it takes calls from now on
  init_failed = 2,  // worker: its init threw; a text follows; it ends
  parcel = 3,       // both: one descriptor comes along, the payload of the call or reply at `position`
  handles = 4,      // both: the descriptors beside that payload come along; from the owner none and a text
                    // where it cannot send them;
                    // where what it prints is kept, the two ends to print to come first
  ask_handles = 5,  // worker: it has begun the call at `position`, which has descriptors, and waits for them
  log = 6,          // worker: a line was logged while it ran the call at `position`; a log_head and its text
                    // follow
  progress = 7,  // worker: the last that the call at `position` said of its progress, as it ends; the bits of
                 // a double and a text follow
  unwell = 8,    // worker: its health check was not ok; a text follows; it goes on until it is replaced
  leaving = 9,   // worker: it ends after its present call, of its own will; a text follows
  ending = 10,   // worker: it is about to end, for the reason that follows as a text
  broken = 11,   // worker: the program it keeps broke the protocol, as the text that follows says; it ends
  keep = 12,     // owner: the descriptor of a block comes along, which the worker is to keep mapped; a
                 // kept_block follows
  lend = 13,     // owner: the descriptors of those blocks of the call at `position` that it does not keep
};

struct control_message {
  control_kind kind{};
  std::uint32_t level = 0;  // of a line
  std::uint64_t position = 0;
};
struct log_head {
  std::uint64_t dropped = 0;  // lines before this one that could not be sent
  std::int64_t time = 0;      // nanoseconds of the system's clock
};
// A block that was sent to be kept, and one that need not be kept any more; 0: none.
struct kept_block {
  static constexpr std::uint32_t touch = 1, is_writable = 2;
  std::uint64_t id = 0;
  std::uint64_t forgotten = 0;
  std::uint64_t size = 0;
  std::uint64_t flags = 0;
};
inline constexpr std::uint64_t no_position = ~std::uint64_t{0};
inline constexpr std::size_t longest_control_text = sizeof(log_head) + 4'096;
inline constexpr std::size_t longest_control_message = sizeof(control_message) + longest_control_text;

inline std::vector<std::byte> encode(const control_message& message, std::string_view text = {}) {
  text = text.substr(0, longest_control_text);
  std::vector<std::byte> out(sizeof(message) + text.size());
  std::memcpy(out.data(), &message, sizeof(message));
  if (!text.empty()) std::memcpy(out.data() + sizeof(message), text.data(), text.size());
  return out;
}

// False when the bytes are too few to be a message. The kind may still be one that nobody knows.
inline bool decode(std::span<const std::byte> bytes, control_message& message, std::string& text) {
  if (bytes.size() < sizeof(message)) return false;
  std::memcpy(&message, bytes.data(), sizeof(message));
  text.assign(reinterpret_cast<const char*>(bytes.data()) + sizeof(message), bytes.size() - sizeof(message));
  return true;
}

// What a worker's loop has to know before its first call; the content of worker_birth::init_call.
struct loop_orders {
  std::uint64_t init = 0;             // the key of the function that runs first; 0: none
  std::uint64_t canary = 0;           // of the one that runs after it; 0: none
  std::uint64_t check = 0;            // the key of the one that runs at health checks; 0: none
  std::uint64_t close = 0;            // of the one that runs when it ends in peace; 0: none
  std::uint64_t keep_alive = 0;       // of the one that runs while it is idle; 0: none
  std::int64_t keep_alive_every = 0;  // each time for so many nanoseconds
  std::int32_t last_signal = 0;  // where it is handled, the worker gives it to itself before it ends; 0: none
  std::uint32_t at_once = 1;     // so many calls run at the same time
  std::int64_t spin = 0;         // it looks for so many nanoseconds for a call before it sleeps
};

enum class reply_status : std::uint32_t {
  value = 0,      // the payload is the encoded result
  exception = 1,  // an encoded exception (module/exception_codec.hpp)
  refused = 2,    // it could not be called at all; the payload is a text
  chunk = 3,      // what the call yields while it goes on; the only one that may come more than once
};
inline constexpr std::uint32_t last_reply_status = 3;

// The word of a reply's status: how the call ended; in the second byte how many descriptors were sent ahead
// of it; whether the call has spoken on the socket, which is then to be read before it is over; and whether
// its result names blocks of the call.
constexpr std::uint32_t status_word(reply_status how, std::size_t handles, bool spoken,
                                    bool names_blocks = false) {
  return static_cast<std::uint32_t>(how) | static_cast<std::uint32_t>(handles) << 8U |
         static_cast<std::uint32_t>(spoken) << 16U | static_cast<std::uint32_t>(names_blocks) << 17U;
}
constexpr reply_status status_of(std::uint32_t word) { return static_cast<reply_status>(word & 0xffU); }
constexpr std::size_t handles_of(std::uint32_t word) { return word >> 8U & 0xffU; }
constexpr bool has_spoken(std::uint32_t word) { return (word >> 16U & 1U) != 0; }
constexpr bool names_blocks(std::uint32_t word) { return (word >> 17U & 1U) != 0; }
constexpr bool is_status_word(std::uint32_t word) {
  return (word & 0xffU) <= last_reply_status && handles_of(word) <= detail::max_handles && word >> 18U == 0;
}
inline constexpr std::uint32_t last_status_word =
    status_word(reply_status::chunk, detail::max_handles, true, true);

// Bits of a request's flags.
inline constexpr std::uint32_t wants_stop =
    1;  // its function takes a stop token: somebody must watch for cancel
inline constexpr std::uint32_t has_handles = 2;     // descriptors go beside its arguments: ask for them
inline constexpr std::uint32_t is_captured = 4;     // what it prints is kept: ask for where to print to
inline constexpr std::uint32_t tells_progress = 8;  // somebody wants to hear of its progress
inline constexpr std::uint32_t has_about = 16;      // what is to be known of it goes ahead of its arguments
inline constexpr std::uint32_t has_blocks = 32;     // ahead of all that: which memory is lent to it
// And in the upper half how many chunks it may be ahead of its reader; 0: it is no stream.
constexpr std::uint32_t ahead_flag(std::size_t chunks) { return static_cast<std::uint32_t>(chunks) << 16U; }
constexpr std::uint64_t ahead_of(std::uint32_t flags) { return flags >> 16U; }

}  // namespace muster::ipc
