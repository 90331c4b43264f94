// SPDX-License-Identifier: MIT
// The memory that is lent to calls: which worker may have it, and how it gets there. docs/internals/arena.md
// has the rules.
#include <algorithm>
#include <cerrno>
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

std::vector<std::byte> process_crew::with_blocks(std::span<const block_ref> blocks,
                                                 std::span<const std::byte> payload) const {
  std::vector<ipc::lent_block> list;
  for (const block_ref& each : blocks)
    list.push_back({.id = each->id,
                    .room = each->room,
                    .size = each->size,
                    .flags = (is_kept(*each) ? ipc::lent_block::is_kept : 0U) |
                             (each->sealed ? 0U : ipc::lent_block::is_writable)});
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

// What the worker has to have before it looks at the call. Kept ones go once, whatever becomes of this call.
bool process_crew::show(worker_process& w, std::uint64_t position, std::span<const block_ref> blocks,
                        std::string& problem) {
  const auto send = [&](const ipc::control_message& message, std::string_view text,
                        std::span<const int> files) {
    const auto sent = base::send_message(w.control.get(), ipc::encode(message, text), files, base::wait::no);
    if (sent || is_for_later(w, sent.error().code)) return sent.has_value();
    note_broken(w, sent.error().code);
    problem = "the memory that is lent to it could not be sent: " + sent.error().text();
    return false;
  };
  std::vector<int> lent;
  for (const block_ref& each : blocks) {
    if (auto ready = ipc::prepare_to_show(*each); !ready) {
      problem = std::string("the memory that is lent to it could not be sealed: ") + ready.error().call +
                ": " + ready.error().code.message();
      return false;
    }
    if (!each->sealed) each->seen_by = w.token;
    const int file = each->file.get();
    if (!is_kept(*each)) {
      lent.push_back(file);
      continue;
    }
    if (w.keeps.size() <= each->place) w.keeps.resize(each->place + std::size_t{1});
    if (w.keeps[each->place] == each->id) continue;
    const ipc::kept_block about{
        .id = each->id, .size = each->size, .place = each->place, .touch = arena_->touches() ? 1U : 0U};
    if (!send({.kind = ipc::control_kind::keep, .position = position},
              {reinterpret_cast<const char*>(&about), sizeof about}, {&file, 1}))
      return false;
    w.keeps[each->place] = each->id;
  }
  return lent.empty() || send({.kind = ipc::control_kind::lend, .position = position}, {}, lent);
}

}  // namespace muster::process
