// SPDX-License-Identifier: MIT
// The memory that is lent to calls: which worker may have it, and how it gets there. docs/internals/arena.md
// has the rules.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <muster/error.hpp>

#include "base/socket.hpp"
#include "ipc/block.hpp"
#include "ipc/call_blocks.hpp"
#include "ipc/messages.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using detail::block_ref;
using detail::memory_block;
using detail::task;

// One of its blocks can be written by a worker that lives: no other one may have the task.
std::shared_ptr<const detail::worker_token> process_crew::bound_to(const task& t) {
  const auto& lent = t.ops->call(const_cast<task&>(t)).blocks;
  return lent ? ipc::bound_to(*lent) : nullptr;
}

std::optional<std::size_t> process_crew::slot_of(const detail::worker_token& token) const {
  const auto found =
      std::ranges::find_if(workers_, [&](const worker_ref& w) { return w && w->token.get() == &token; });
  return found == workers_.end() ? std::nullopt
                                 : std::optional(static_cast<std::size_t>(found - workers_.begin()));
}

// Of the pool's own, which workers keep mapped.
bool process_crew::is_kept(const memory_block& block) const {
  return arena_ && block.home == arena_.get() && !block.sealed;
}

std::vector<std::byte> process_crew::with_blocks(const std::vector<block_ref>* lent,
                                                 const memory_block* arguments, std::size_t argument_bytes,
                                                 std::span<const std::byte> payload) const {
  std::vector<ipc::lent_block> list;
  if (lent != nullptr)
    for (const block_ref& each : *lent)
      list.push_back({.id = each->id,
                      .room = each->room,
                      .size = each->size,
                      .flags = (is_kept(*each) ? ipc::lent_block::is_kept : 0U) |
                               (each->sealed ? 0U : ipc::lent_block::is_writable)});
  if (arguments != nullptr)
    list.push_back({.id = arguments->id,
                    .room = argument_bytes,
                    .size = arguments->size,
                    .flags = ipc::lent_block::is_kept | ipc::lent_block::holds_arguments});
  return ipc::with_list(list, payload);
}

// What others can write is copied. Only a firm key comes here with any: everywhere else the call goes where
// its blocks were.
bool process_crew::make_exclusive(worker_process& w, std::span<block_ref> blocks, std::string& problem) {
  for (block_ref& each : blocks) {
    const auto seen_by = each->sealed ? nullptr : each->seen_by.lock();
    if (!seen_by || seen_by == w.token) continue;
    auto copy = ipc::copy_of(*each);
    if (!copy) {
      problem = std::string("the memory that is lent to it could not be copied: ") + copy.error().call +
                ": " + copy.error().code.message();
      return false;
    }
    each = std::move(*copy);
    arena_->note_copied(1);
  }
  return true;
}

bool process_crew::send_block(worker_process& w, const ipc::control_message& message, std::string_view text,
                              std::span<const int> files, std::string& problem) {
  const auto sent = base::send_message(w.control.get(), ipc::encode(message, text), files, base::wait::no);
  if (sent || is_for_later(w, sent.error().code)) return sent.has_value();
  note_broken(w, sent.error().code);
  problem = "the memory that is lent to it could not be sent: " + sent.error().text();
  return false;
}

bool process_crew::send_kept(worker_process& w, std::uint64_t position, const ipc::kept_block& about,
                             const memory_block* block, std::string& problem) {
  const int file = block != nullptr ? block->file.get() : -1;
  return send_block(w, {.kind = ipc::control_kind::keep, .position = position},
                    {reinterpret_cast<const char*>(&about), sizeof about},
                    {&file, block != nullptr ? std::size_t{1} : std::size_t{0}}, problem);
}

// What the worker has to have before it looks at the call. Kept ones go once, whatever becomes of this call.
bool process_crew::show(worker_process& w, std::uint64_t position, std::span<const block_ref> blocks,
                        std::string& problem) {
  std::vector<int> lent;
  for (const block_ref& each : blocks) {
    if (auto ready = ipc::prepare_to_show(*each); !ready) {
      problem = std::string("the memory that is lent to it could not be sealed: ") + ready.error().call +
                ": " + ready.error().code.message();
      return false;
    }
    if (!each->sealed) each->seen_by = w.token;
    if (!is_kept(*each)) {
      lent.push_back(each->file.get());
      continue;
    }
    if (w.keeps.size() <= each->place) w.keeps.resize(each->place + std::size_t{1});
    std::uint64_t& kept = w.keeps[each->place];
    if (kept == each->id) continue;
    const ipc::kept_block about{
        .id = each->id,
        .forgotten = kept,  // its place was given to this one
        .size = each->size,
        .flags = (arena_->touches() ? ipc::kept_block::touch : 0U) | ipc::kept_block::is_writable};
    if (!send_kept(w, position, about, each.get(), problem)) return false;
    kept = each->id;
  }
  return lent.empty() ||
         send_block(w, {.kind = ipc::control_kind::lend, .position = position}, {}, lent, problem);
}

// --------------------------------------------------------------------------------------------------------
// arguments that are too large for the ring

// Null: they go through the ring, or in a file of their own.
block_ref process_crew::block_for(worker_process& w, const detail::bytes& arguments) {
  const auto content = arguments.view();
  if (content.size() <= ipc::ring_payload_limit<ipc::standard_sizes>) return nullptr;
  if (const block_ref* const home = arguments.block()) {
    const auto seen_by = (*home)->seen_by.lock();
    if (!seen_by || seen_by == w.token) return *home;
  }
  auto other = arena_->arguments()->lease_for(*w.token, content.size(), w.to_forget);
  if (other) std::memcpy(other->address, content.data(), content.size());
  return other;
}

bool process_crew::show_arguments(worker_process& w, std::uint64_t position, memory_block* block,
                                  std::string& problem) {
  for (; !w.to_forget.empty(); w.to_forget.pop_back()) {
    const std::uint64_t id = w.to_forget.back();
    if (std::ranges::find(w.keeps_arguments, id) == w.keeps_arguments.end()) continue;
    if (!send_kept(w, position, {.forgotten = id}, nullptr, problem)) return false;
    std::erase(w.keeps_arguments, id);
  }
  if (block == nullptr) return true;
  block->seen_by = w.token;
  if (std::ranges::find(w.keeps_arguments, block->id) != w.keeps_arguments.end()) return true;
  if (!send_kept(w, position, {.id = block->id, .size = block->size, .flags = ipc::kept_block::touch}, block,
                 problem))
    return false;
  w.keeps_arguments.push_back(block->id);
  return true;
}

}  // namespace muster::process
