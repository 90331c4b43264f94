// SPDX-License-Identifier: MIT
#pragma once

// The newest of what one task said about its progress, until its handler takes it. Any thread puts; one
// callback at a time hands over. Shared by the task and that callback.

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <muster/options.hpp>

namespace muster::detail {

class progress_desk {
public:
  explicit progress_desk(progress_handler handler) : handler_(std::move(handler)) {}
  // Replaces what waits. True: the caller posts a callback that calls hand_over. What was the newest already
  // changes nothing.
  [[nodiscard]] bool put(task_progress newest) {
    const std::lock_guard lock(mutex_);
    if (newest.fraction == last_fraction_ && newest.text == last_text_) return false;
    last_fraction_ = newest.fraction;
    last_text_ = newest.text;
    const bool is_posted = waiting_.has_value();
    waiting_ = std::move(newest);
    return !is_posted;
  }
  void hand_over() {
    const std::lock_guard one_after_the_other(running_);
    std::unique_lock lock(mutex_);
    const auto now = std::exchange(waiting_, std::nullopt);
    lock.unlock();
    if (now) handler_(*now);
  }

private:
  const progress_handler handler_;
  std::recursive_mutex running_;  // held while the handler runs: an executor may have several threads
  std::mutex mutex_;
  std::optional<task_progress> waiting_;  // guarded by mutex_, as is all below
  double last_fraction_ = -1;
  std::string last_text_;
};

}  // namespace muster::detail
