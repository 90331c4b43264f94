// SPDX-License-Identifier: MIT
#include "process/worker_process.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "ipc/messages.hpp"

namespace muster::process {

worker_process::worker_process(engine::worker_id who, ipc::region request_memory, ipc::region reply_memory)
    : id(who),
      requests(std::move(request_memory)),
      replies(std::move(reply_memory)),
      sender(requests.view<ipc::request_region>(), replies.view<ipc::reply_memory>().rings),
      receiver(requests.view<ipc::request_region>(), replies.view<ipc::reply_memory>().rings,
               {.max_status = ipc::last_status_word, .max_parcel = ipc::payload_limit}),
      reader_bell(requests.view<ipc::request_region>(), replies.view<ipc::reply_memory>().rings) {}

std::optional<std::size_t> worker_process::reported_memory() const {
  const std::uint64_t said = signs().memory.load(std::memory_order_relaxed);
  return said == 0 ? std::nullopt : std::optional<std::size_t>(said - 1);
}

void worker_process::step(engine::worker_event event) {
  const auto to = engine::next(state, event);
  MUSTER_ASSERT(to.has_value());
  state = *to;
}

void worker_process::measure(std::size_t answered, base::time_point now) {
  if (answered == 0) return;
  const duration latest = (now - head_since) / static_cast<duration::rep>(answered);
  per_call = per_call == duration::zero() ? latest : (per_call + latest) / 2;
  head_since = now;
  constexpr duration target = std::chrono::microseconds(500);
  const auto fits = static_cast<std::size_t>(target / std::max(per_call, duration(1)));
  burst = std::clamp(fits, std::size_t{1}, std::min(burst * 4, ipc::slot_count));
}

}  // namespace muster::process
