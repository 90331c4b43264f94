// SPDX-License-Identifier: MIT
#include <muster/detail/result_line.hpp>

#include <algorithm>

#include <muster/error.hpp>

#include "engine/engine.hpp"

namespace muster::detail {

std::string text_of(const std::exception_ptr& error) {
  if (!error) return {};
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

std::size_t checked_ahead(std::size_t ahead) {
  if (ahead > 0) return ahead;
  throw invalid_options("ahead = 0: a stream of results keeps at least 1; no result could ever come");
}

bool result_line::is_over() const {
  if (arriving_ > 0 || !unsettled_.empty()) return false;
  const auto is_shut = [](const known_pool& p) { return !p.is_open; };
  return is_closed_ || (!pools_.empty() && std::ranges::all_of(pools_, is_shut));
}

result_line::known_pool& result_line::know(const task_home& pool) {
  const auto found = std::ranges::find(pools_, &pool, &known_pool::home);
  return found != pools_.end() ? *found : pools_.emplace_back(&pool, false);
}

// One that is not known to be open is asked; not under our lock, because its own comes first.
void result_line::heed(std::unique_lock<std::mutex>& lock, task_home& pool) {
  const auto throw_if_closed = [this] {
    if (is_closed_) throw pool_stopped("these results were closed, and take no more tasks");
  };
  throw_if_closed();
  if (know(pool).is_open) return;
  know(pool).is_open = true;  // first: it may close right after it was asked
  lock.unlock();
  const auto self = std::static_pointer_cast<result_line>(shared_from_this());
  const bool is_open = static_cast<muster::engine::engine&>(pool).watch_close(self);
  lock.lock();
  if (is_open) return throw_if_closed();
  know(pool).is_open = false;
  changed_.notify_all();
  throw pool_stopped("the pool takes no more tasks");
}

void result_line::reserve(task_home& pool) {
  std::unique_lock lock(mutex_);
  heed(lock, pool);
  wait(lock, std::nullopt,
       [&] { return taken_places() < ahead_ || is_closed_ || is_left_ || !know(pool).is_open; });
  if (is_closed_) throw pool_stopped("these results were closed, and take no more tasks");
  if (!know(pool).is_open) throw pool_stopped("the pool takes no more tasks");
  ++arriving_;
}

bool result_line::try_reserve(task_home& pool) {
  std::unique_lock lock(mutex_);
  heed(lock, pool);
  if (taken_places() >= ahead_) return false;
  ++arriving_;
  return true;
}

void result_line::give_back() {
  const std::lock_guard lock(mutex_);
  --arriving_;
  changed_.notify_all();
}

void result_line::add(task& t) {
  follow(t);
  bool is_unwanted = false;
  {
    const std::lock_guard lock(mutex_);
    --arriving_;
    is_unwanted = is_left_;
    changed_.notify_all();  // it may have settled, and been the last
  }
  if (is_unwanted) cancel(t);
}

void result_line::settled(task_ref<> t) {
  if (!is_left_) waiting_.push_back(std::move(t));
}

task_ref<> result_line::take(std::optional<time_point> until) {
  std::unique_lock lock(mutex_);
  wait(lock, until, [this] { return !waiting_.empty() || is_over(); });
  if (waiting_.empty()) return {};
  task_ref<> first = std::move(waiting_.front());
  waiting_.pop_front();
  changed_.notify_all();  // there is room
  return first;
}

void result_line::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

std::size_t result_line::leave() {
  std::deque<task_ref<>> dropped;  // they go outside the lock
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = is_left_ = true;
    dropped.swap(waiting_);
    changed_.notify_all();
  }
  cancel_all();
  return dropped.size();
}

bool result_line::has_ended() {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && is_over();
}

std::size_t result_line::under_way() {
  const std::lock_guard lock(mutex_);
  return unsettled_.size();
}

std::size_t result_line::unread() {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void result_line::closed(const task_home& pool) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(pools_, &pool, &known_pool::home);
  if (found == pools_.end()) return;
  found->is_open = false;
  changed_.notify_all();
}

std::size_t result_line::unread_of(const task_home& pool) {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(waiting_, [&](const task_ref<>& t) { return t->home == &pool; }));
}

}  // namespace muster::detail
