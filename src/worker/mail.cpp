// SPDX-License-Identifier: MIT
#include "worker/mail.hpp"

#include <unistd.h>

#include <array>
#include <cstring>

#include "base/socket.hpp"

namespace muster::worker {

namespace {
bool keeps_files = false;  // written before there are calls
}

void keep_files_of_blocks() { keeps_files = true; }

void keep_file(ipc::memory_block& block, base::file_descriptor file) {
  if (keeps_files) block.for_host.reset(file.release());
}

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
    if (auto read = read_one(position); !read) return std::unexpected(read.error());
  }
}

std::expected<void, std::string> mail::read_one(std::uint64_t position) {
  std::array<std::byte, ipc::longest_control_message> buffer;
  auto got = base::receive_message(socket_, buffer, base::most_descriptors_in_a_message);
  if (!got) return std::unexpected("what goes with the arguments did not arrive: " + got.error().text());
  if (got->end()) ::_exit(1);  // the owner is gone
  ipc::control_message message;
  std::string text;
  if (!ipc::decode({buffer.data(), got->size}, message, text)) return {};
  if (message.kind == ipc::control_kind::keep)
    keep(text, got->descriptors);
  else if (message.position >= position)
    early_[{message.position, message.kind}] = {std::move(got->descriptors), std::move(text)};
  return {};
}

// The call that needs it hears of a problem.
void mail::keep(std::string_view about, std::vector<base::file_descriptor>& files) {
  ipc::kept_block head;
  if (about.size() != sizeof head) return;
  std::memcpy(&head, about.data(), sizeof head);
  if (files.size() != (head.id == 0 ? 0U : 1U)) return;
  std::erase_if(kept_, [&](const kept_block& each) { return each.id == head.forgotten; });
  if (head.id == 0) return;
  auto mapped = ipc::map_lent(files[0].get(), head.size, head.size, (head.flags & head.is_writable) != 0,
                              (head.flags & head.touch) != 0);
  kept_block& fresh = kept_.emplace_back();
  fresh.id = head.id;
  if (mapped) {
    (*mapped)->id = head.id;
    keep_file(**mapped, std::move(files[0]));
    fresh.block = std::move(*mapped);
  } else {
    fresh.problem = std::string(mapped.error().call) + ": " + mapped.error().code.message();
  }
}

std::expected<ipc::block_ref, std::string> mail::kept(std::uint64_t id, std::uint64_t position) {
  for (;;) {
    for (const kept_block& each : kept_) {
      if (each.id != id) continue;
      if (!each.block) return std::unexpected(each.problem);
      return each.block;
    }
    if (auto read = read_one(position); !read) return std::unexpected(read.error());
  }
}

std::expected<std::vector<base::file_descriptor>, std::string> mail::ask_handles(std::uint64_t position) {
  const auto asked = base::send_message(
      socket_, ipc::encode({.kind = ipc::control_kind::ask_handles, .position = position}));
  if (!asked) return std::unexpected("its descriptors could not be asked for: " + asked.error().text());
  return take(ipc::control_kind::handles, position);
}

}  // namespace muster::worker
