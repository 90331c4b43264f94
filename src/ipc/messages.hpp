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

namespace muster::ipc {

// A message on the control socket begins with this; `kind` says what follows and who sends it.
enum class control_kind : std::uint32_t {
  ready = 1,        // worker: it takes calls from now on
  init_failed = 2,  // worker: its init threw; a text follows; it ends
  parcel = 3,       // both: one descriptor comes along, the payload of the call or reply at `position`
};

struct control_message {
  control_kind kind{};
  std::uint32_t unused = 0;
  std::uint64_t position = 0;
};
inline constexpr std::size_t longest_control_text = 4'096;
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

// What worker_birth::init_call holds: the names (module/function_key.hpp) of functions that a worker runs
// before it is ready, in this order; 0: none.
struct first_calls {
  std::uint64_t init = 0;
  std::uint64_t canary = 0;
};

enum class reply_status : std::uint32_t {
  value = 0,      // the payload is the encoded result
  exception = 1,  // an encoded exception (module/exception_codec.hpp)
  refused = 2,    // it could not be called at all; the payload is a text
};
inline constexpr std::uint32_t last_reply_status = 2;

// Bits of a request's flags.
inline constexpr std::uint32_t wants_stop =
    1;  // its function takes a stop token: somebody must watch for cancel

}  // namespace muster::ipc
