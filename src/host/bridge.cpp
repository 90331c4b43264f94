// SPDX-License-Identifier: MIT
// The calls of a host. How it begins and ends is in bridge_life.cpp.
#include "host/bridge.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <muster/error.hpp>
#include <muster/this_worker.hpp>

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
  open_call entry;
  const std::uint64_t id = open(entry);
  return exchange(about, id, entry, call_line(id, module, function, arguments), arguments.attachments);
}

json bridge::work(context& about, const std::vector<std::string>& arguments) {
  open_call entry;
  const std::uint64_t id = open(entry);
  return exchange(about, id, entry, bazel_line(id, arguments), {});
}

json bridge::exchange(context& about, std::uint64_t id, open_call& entry, std::string_view line,
                      std::span<const std::vector<std::byte>> attachments) {
  send(line, attachments);
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
      send(cancel_line(plan_.protocol, id), {});
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

// A host that has ended is the listener's matter: then this returns, and nobody waits for long.
void bridge::send(std::string_view line, std::span<const std::vector<std::byte>> attachments) {
  std::vector<iovec> pieces;
  pieces.push_back({.iov_base = const_cast<char*>(line.data()), .iov_len = line.size()});
  for (const auto& each : attachments)
    pieces.push_back({.iov_base = const_cast<std::byte*>(each.data()), .iov_len = each.size()});
  constexpr std::size_t most_pieces = 64;
  const std::lock_guard one_message(sending_);
  for (std::size_t at = 0; at < pieces.size();) {
    if (pieces[at].iov_len == 0) {
      ++at;
      continue;
    }
    const auto count = static_cast<int>(std::min(most_pieces, pieces.size() - at));
    const ssize_t sent = ::writev(to_.get(), &pieces[at], count);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;
    auto left = static_cast<std::size_t>(sent);
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
    entry.answer = std::move(said);
    entry.attachments = std::move(attachments);
    entry.is_done = true;
    calls_.erase(found);
  }
  entry.news.notify_one();  // under the lock: the entry is gone once its call sees that it is done
}

}  // namespace muster::host
