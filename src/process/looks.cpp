// SPDX-License-Identifier: MIT
// What the loop looks at while worker processes live: whether they take their calls, what they
// use, and whether they may have more.
#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/process_info.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

namespace {

// A call that nobody has begun is looked at again so soon: its claim word may have been ruined since.
constexpr duration between_looks = std::chrono::milliseconds(100);

// A worker whose socket has ended is dying, and gone before that; or else it has closed it.
constexpr duration longest_dying = std::chrono::seconds(1);

// The memory of a worker is looked at no more often than this.
constexpr duration between_memory_looks = std::chrono::milliseconds(500);

}  // namespace

base::time_point process_crew::look_at_workers(base::time_point until) {
  const locked lock(*this);
  const auto now = owner_->time().now();
  snapshot_.clear();
  deaf_.clear();
  calls_under_way_ = false;
  for (const auto& w : workers_) {
    if (!w || w->state == worker_state::dead) continue;
    snapshot_.push_back(w);
    calls_under_way_ |= w->in_flight() > 0;
    if (w->silent_since && !w->killed_for) {
      const auto due = base::after(*w->silent_since, longest_dying);
      if (due <= now) {
        note_broken(*w, ECONNRESET);
        deaf_.emplace_back(w, "it closed its control socket and lived on");
        continue;
      }
      until = std::min(until, due);
    }
    if (w->in_flight() == 0 || w->killed_for) continue;
    bool are_begun = true, is_ruined = false;
    w->each_running([&](std::uint64_t position) {
      are_begun = w->sender.seen_claimed(position) && are_begun;
      is_ruined = w->sender.is_ruined(position) || is_ruined;
    });
    const auto due = base::after(w->at_once == 1 ? w->head_since : w->next_since, patience_.claim);
    if (is_ruined)
      deaf_.emplace_back(w, "it wrote over the word by which it claims its next call");
    else if (!are_begun && due <= now)
      deaf_.emplace_back(w, "it did not take its next call, though it was awake or was rung for");
    else if (!are_begun)
      until = std::min({until, due, base::after(now, between_looks)});
  }
  if (std::exchange(gave_calls_, false)) until = std::min(until, base::after(now, patience_.claim));
  sleeps_until_ = until;
  return until;
}

// Reads files, so not under the lock. What is read here of a worker, this thread alone writes.
base::time_point process_crew::look_at_memory(base::time_point until) {
  if (!options_.limits.memory_soft) return until;
  const std::size_t limit = *options_.limits.memory_soft;
  const auto now = owner_->time().now();
  for (const auto& w :
       snapshot_) {  // of such pools the loop alone takes replies, and so counts what was served
    if (w->served == w->memory_seen_at || w->pid == 0) continue;  // the zygote's word may come after its own
    if (w->memory_due > now) {
      until = std::min(until, w->memory_due);
      continue;
    }
    w->memory_seen_at = w->served;
    w->memory_due = base::after(now, between_memory_looks);
    auto bytes = base::private_memory(w->pid, limit);
    {
      const locked lock(*this);
      w->memory = bytes;
    }
    bytes = std::max(bytes, w->reported_memory());
    if (bytes && *bytes > limit)
      owner_->worker_worn(w->id, engine::recycle_reason::memory, *bytes / 2 > limit);
  }
  return until;
}

// The processor time of all workers, those that are gone included, never falls: what a worker started may end
// without being waited for, and is then seen no more.
base::time_point process_crew::look_at_processors(base::time_point until) {
  if (!throttle_) return until;
  const auto now = owner_->time().now();
  if (processors_due_ <= now) {
    duration used = cpu_used_before_;
    for (const auto& w : snapshot_) {
      if (w->pid != 0) w->cpu_used = std::max(w->cpu_used, base::processor_time(w->pid).value_or(duration()));
      used += w->cpu_used;
    }
    throttle_->look(used, now);
    cpu_used_.store(used.count(), std::memory_order_relaxed);
    const bool may_begin = throttle_->may_begin();
    const duration pause = may_begin ? options_.throttle.check_every : throttle_->wait();
    processors_due_ = base::after(now, std::min(pause, options_.throttle.check_every));
    if (held_back_.exchange(!may_begin) && may_begin) pump();
  }
  // Where nothing runs and nothing is held back the use does not change, and the next answer brings us here.
  return !calls_under_way_ && !held_back_.load() ? until : std::min(until, processors_due_);
}

// How many more tasks may begin, whatever room there is: none while they are held back. Where each worker
// gets one, there are workers beyond the maximum, so that the next is ready when one is done.
std::size_t process_crew::may_begin() const {
  if (held_back_.load(std::memory_order_relaxed)) return 0;
  if (options_.lifetime != lifetime::per_task) return std::numeric_limits<std::size_t>::max();
  const auto most = static_cast<std::size_t>(owner_->chosen().plan.max);
  std::size_t running = 0;
  for (const auto& w : workers_)
    if (w) running += w->in_flight();
  return running < most ? most - running : 0;
}

}  // namespace muster::process
