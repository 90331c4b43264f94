// SPDX-License-Identifier: MIT
#include <muster/task_group.hpp>

#include "engine/engine.hpp"

namespace muster {

namespace detail {

namespace {
bool is_cancel(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const cancelled&) {
    return true;
  } catch (...) {
    return false;
  }
}
}  // namespace

void group_line::admit() {
  const std::lock_guard lock(mutex_);
  if (is_cancelled_) throw cancelled("the group was cancelled; wait for it before it is given more");
}

void group_line::add(task& t) {
  follow(t);
  bool came_too_late = false;
  {
    const std::lock_guard lock(mutex_);
    came_too_late = is_cancelled_;
  }
  if (came_too_late) cancel(t);
}

void group_line::settled(task_ref<> t) {
  if (!t->error || first_error_ || is_cancel(t->error)) return;
  first_error_ = t->error;
  if (cancels_on_error_) is_cancelled_ = cancel_wanted_ = true;
}

void group_line::settled_one() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(cancel_wanted_, false)) return;
  }
  cancel_all();
}

void group_line::cancel_group() {
  {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
  }
  cancel_all();
}

bool group_line::wait_until(std::optional<time_point> until) {
  std::unique_lock lock(mutex_);
  return wait(lock, until, [this] { return unsettled_.empty(); });
}

bool group_line::conclude() {
  const std::lock_guard lock(mutex_);
  const bool was_cancelled = std::exchange(is_cancelled_, false);
  if (const auto error = std::exchange(first_error_, nullptr)) std::rethrow_exception(error);
  return !was_cancelled;
}

std::size_t group_line::unsettled() {
  const std::lock_guard lock(mutex_);
  return unsettled_.size();
}

}  // namespace detail

task_group::~task_group() {
  on_stop_.reset();
  line_->cancel_group();
  try {
    (void)line_->wait_until(std::nullopt);
  } catch (
      const would_deadlock&) {  // it belongs to a task that waits for itself: nothing there is to wait for
  }
}

}  // namespace muster
