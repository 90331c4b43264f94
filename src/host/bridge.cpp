// SPDX-License-Identifier: MIT
// The calls of a host. How it begins and ends is in bridge_life.cpp.
#include "host/bridge.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <muster/error.hpp>
#include <muster/this_worker.hpp>

#include "base/socket.hpp"
#include "ipc/block.hpp"
#include "ipc/buffer_access.hpp"

namespace muster::host {

std::uint64_t bridge::open(open_call& entry) {
  const std::lock_guard lock(mutex_);
  // Bazel's programs that do one thing at a time know this number alone.
  const bool one_by_one = plan_.protocol == host_protocol::bazel && plan_.at_once == 1;
  const std::uint64_t id = one_by_one ? 0 : ++last_id_;
  calls_[id] = &entry;
  return id;
}

json bridge::call(context& about, const std::string& module, const std::string& function,
                  const json& arguments) {
  std::vector<std::pair<std::size_t, std::size_t>> none;
  return call(about, module, function, arguments, {}, none);
}

json bridge::call(context& about, const std::string& module, const std::string& function,
                  const json& arguments, std::span<const detail::lent_buffer> lent,
                  std::vector<std::pair<std::size_t, std::size_t>>& returned) {
  std::vector<attachment> beside;
  for (const auto& each : arguments.attachments) beside.push_back({.bytes = each});
  for (const auto& each : lent) beside.at(each.place).bytes = each.bytes();
  open_call entry;
  std::uint64_t id = 0;
  {
    const std::lock_guard one_message(sending_);
    std::vector<int> descriptors;
    for (const auto& each : lent)
      if (auto memory = memory_of(each, descriptors)) {
        beside[each.place].memory = memory;
        entry.lent.push_back(each.place);
      }
    id = open(entry);  // whole: a host that lies may answer before it was asked
    send(call_line(id, module, function, arguments.text, beside), beside, descriptors);
  }
  json got = wait_for_answer(about, id, entry);
  for (std::size_t i = 0; i < entry.answer.attachments.size(); ++i)
    if (const auto place = entry.answer.attachments[i].lent) returned.emplace_back(i, *place);
  return got;
}

json bridge::work(context& about, const std::vector<std::string>& arguments) {
  open_call entry;
  const std::uint64_t id = open(entry);
  {
    const std::lock_guard one_message(sending_);
    send(bazel_line(id, arguments));
  }
  return wait_for_answer(about, id, entry);
}

// What cannot be mapped goes as bytes.
std::optional<attachment::mapping> bridge::memory_of(const detail::lent_buffer& lent,
                                                     std::vector<int>& descriptors) {
  constexpr std::size_t most_mapped = 64;
  const auto* const unique = std::get_if<buffer>(&lent.memory);
  const auto* const shared = std::get_if<shared_buffer>(&lent.memory);
  const ipc::block_ref& block =
      unique != nullptr ? detail::buffer_access::block(*unique) : detail::buffer_access::block(*shared);
  if (plan_.kind != kind::python || !block || !block->for_host || lent.bytes().empty()) return std::nullopt;
  attachment::mapping memory{.block = block->id,
                             .size = block->size,
                             .offset = static_cast<std::uint64_t>(lent.bytes().data() - block->address),
                             .is_writable = unique != nullptr};
  if (block->id == 0 || std::ranges::find(mapped_, block->id) == mapped_.end()) {
    memory.is_sent = true;
    descriptors.push_back(block->for_host.get());
    if (block->id != 0) mapped_.push_back(block->id);
  }
  if (mapped_.size() > most_mapped) {
    memory.forgotten = mapped_.front();
    mapped_.pop_front();
  }
  return memory;
}

json bridge::wait_for_answer(context& about, std::uint64_t id, open_call& entry) {
  std::unique_lock lock(mutex_);
  bool is_cancelled = false;
  while (!entry.is_done || entry.progress) {
    const auto news = [&] { return entry.is_done || entry.progress.has_value(); };
    if (is_cancelled || !plan_.cancels)
      entry.news.wait(lock, news);
    else
      entry.news.wait(lock, about.stop(), news);
    if (const auto said = std::exchange(entry.progress, std::nullopt)) {
      lock.unlock();
      about.progress(said->first, said->second);
      this_worker::heartbeat();
      lock.lock();
    } else if (!entry.is_done && !is_cancelled && about.stop_requested()) {
      is_cancelled = true;
      lock.unlock();
      {
        const std::lock_guard one_message(sending_);
        send(cancel_line(plan_.protocol, id));
      }
      lock.lock();
    }
  }
  lock.unlock();
  if (!entry.answer.error) return {std::move(entry.answer.value), std::move(entry.attachments)};
  const thrown& what = *entry.answer.error;
  if (is_cancelled) throw cancelled("it was cancelled, and ended with " + what.type + ": " + what.message);
  if (what.type == "invalid_call") throw invalid_call(what.message);
  throw worker_error(what.type, what.message, what.stack);
}

// With sending_. A host that has ended is the listener's matter: then this returns, and nobody waits for
// long. Descriptors go with the first byte.
void bridge::send(std::string_view line, std::span<const attachment> beside,
                  std::span<const int> descriptors) {
  std::vector<iovec> pieces;
  pieces.push_back({.iov_base = const_cast<char*>(line.data()), .iov_len = line.size()});
  for (const attachment& each : beside)
    if (!each.memory)
      pieces.push_back({.iov_base = const_cast<std::byte*>(each.bytes.data()), .iov_len = each.bytes.size()});
  constexpr std::size_t most_pieces = 64;
  for (std::size_t at = 0; at < pieces.size();) {
    if (pieces[at].iov_len == 0) {
      ++at;
      continue;
    }
    const std::span<iovec> now = std::span(pieces).subspan(at, std::min(most_pieces, pieces.size() - at));
    std::size_t left = 0;
    if (descriptors.empty()) {
      const ssize_t written = ::writev(to_.get(), now.data(), static_cast<int>(now.size()));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;
      left = static_cast<std::size_t>(written);
    } else {
      const auto sent = base::send_some(to_.get(), now, std::exchange(descriptors, {}));
      if (!sent) return;
      left = *sent;
    }
    for (; left > 0 && left >= pieces[at].iov_len; ++at) left -= pieces[at].iov_len;
    if (left > 0) {
      pieces[at].iov_base = static_cast<char*>(pieces[at].iov_base) + left;
      pieces[at].iov_len -= left;
    }
  }
}

// On the listener's thread.
void bridge::take(message said) {
  if (said.kind == message_kind::ready || said.kind == message_kind::not_ready)
    broke_protocol("it said once more whether it is ready");
  auto attachments = read_attachments(said);
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(said.id);
  if (found == calls_.end())
    broke_protocol("it answered call " + std::to_string(said.id) +
                   ", which is not open: it was answered before, or never made");
  open_call& entry = *found->second;
  if (said.kind == message_kind::progress) {
    entry.progress.emplace(said.fraction, std::move(said.text));
  } else {
    for (const auto& each : said.attachments)
      if (each.lent && std::ranges::find(entry.lent, *each.lent) == entry.lent.end())
        broke_protocol("its result is memory that it was not lent");
    entry.answer = std::move(said);
    entry.attachments = std::move(attachments);
    entry.is_done = true;
    calls_.erase(found);
  }
  entry.news.notify_one();  // under the lock: the entry is gone once its call sees that it is done
}

}  // namespace muster::host
