// SPDX-License-Identifier: MIT
#include "worker/mail.hpp"

#include <unistd.h>

#include <array>

#include "base/socket.hpp"

namespace muster::worker {

void tell_owner(int socket, const ipc::control_message& message, std::string_view text,
                std::span<const int> descriptors) {
  (void)base::send_message(socket, ipc::encode(message, text), descriptors);
}

std::expected<std::vector<base::file_descriptor>, std::string> mail::take(ipc::control_kind kind,
                                                                          std::uint64_t position) {
  early_.erase(early_.begin(), early_.lower_bound({position, ipc::control_kind{}}));
  for (;;) {
    if (auto found = early_.extract({position, kind}); !found.empty()) {
      letter& here = found.mapped();
      if (!here.text.empty()) return std::unexpected(std::move(here.text));
      return std::move(here.descriptors);
    }
    std::array<std::byte, ipc::longest_control_message> buffer;
    auto got = base::receive_message(socket_, buffer, base::most_descriptors_in_a_message);
    if (!got) return std::unexpected("what goes with the arguments did not arrive: " + got.error().text());
    if (got->end()) ::_exit(1);  // the owner is gone
    ipc::control_message message;
    std::string text;
    if (!ipc::decode({buffer.data(), got->size}, message, text) || message.position < position) continue;
    early_[{message.position, message.kind}] = {std::move(got->descriptors), std::move(text)};
  }
}

std::expected<std::vector<base::file_descriptor>, std::string> mail::ask_handles(std::uint64_t position) {
  const auto asked = base::send_message(
      socket_, ipc::encode({.kind = ipc::control_kind::ask_handles, .position = position}));
  if (!asked) return std::unexpected("its descriptors could not be asked for: " + asked.error().text());
  return take(ipc::control_kind::handles, position);
}

}  // namespace muster::worker
