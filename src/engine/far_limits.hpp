// SPDX-License-Identifier: MIT
#pragma once

// Tasks with a limit on their time that is still far away. Most tasks are over long before it passes, so the
// plan hears of one only when its limit comes near: until then it costs two short moments under a lock.
// Buckets of time, each a list through the tasks' extras; the loop looks at a bucket when it begins.
//
// Any thread may call. Of those who remove a task and the loop that takes it, one gets it.

#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include <muster/task.hpp>

#include "base/clock.hpp"

namespace muster::engine {

class far_limits {
public:
  static constexpr duration bucket = std::chrono::milliseconds(64);

  // Whether a limit at this time is worth it.
  static bool is_far(base::time_point limit, base::time_point now) {
    return limit != base::never && limit > now && limit - now > 2 * bucket;
  }

  // t counts as watched by the plan from when it is taken. A time: the loop is to look by then, earlier than
  // what was said before.
  std::optional<base::time_point> add(detail::task& t, base::time_point limit) {
    const std::int64_t number = number_of(limit);
    const std::lock_guard lock(mutex_);
    if (latest_ == buckets_.end() || latest_->first != number)
      latest_ = buckets_.try_emplace(number, nullptr).first;
    detail::far_limit& at = t.extras->far;
    at = {.bucket = number, .is_in = true, .next = latest_->second, .previous = nullptr};
    if (at.next != nullptr) at.next->extras->far.previous = &t;
    latest_->second = &t;
    if (latest_ != buckets_.begin() || std::exchange(said_, number) == number) return std::nullopt;
    return begin_of(number);
  }

  // False: it is not, or no longer, in here, so the plan knows it.
  bool remove(detail::task& t) {
    const std::lock_guard lock(mutex_);
    detail::far_limit& at = t.extras->far;
    if (!at.is_in) return false;
    at.is_in = false;
    if (at.next != nullptr) at.next->extras->far.previous = at.previous;
    if (at.previous != nullptr)
      at.previous->extras->far.next = at.next;
    else if (at.next != nullptr)
      buckets_[at.bucket] = at.next;
    else
      erase(buckets_.find(at.bucket));
    return true;
  }

  // Takes out those whose limits come near; then, by when to look again.
  base::time_point take(base::time_point now, std::vector<detail::task_ref<>>& into) {
    const std::lock_guard lock(mutex_);
    while (!buckets_.empty() && begin_of(buckets_.begin()->first) <= now) {
      for (detail::task* t = buckets_.begin()->second; t != nullptr; t = t->extras->far.next) {
        t->extras->far.is_in = false;
        into.push_back(detail::task_ref<>::share(*t));
      }
      erase(buckets_.begin());
    }
    said_ = buckets_.empty() ? nothing : buckets_.begin()->first;
    return buckets_.empty() ? base::never : begin_of(said_);
  }

private:
  using buckets = std::map<std::int64_t, detail::task*>;
  static constexpr std::int64_t nothing = INT64_MIN;

  static std::int64_t number_of(base::time_point limit) { return limit.time_since_epoch() / bucket; }
  // A little before its first limit.
  static base::time_point begin_of(std::int64_t number) { return base::time_point((number - 1) * bucket); }
  void erase(buckets::iterator which) {
    if (latest_ == which) latest_ = buckets_.end();
    buckets_.erase(which);
  }

  std::mutex mutex_;
  // All below: guarded by mutex_.
  buckets buckets_{};
  buckets::iterator latest_ = buckets_.end();  // that one was added to
  std::int64_t said_ = nothing;                // the bucket that the loop was told of last
};

}  // namespace muster::engine
