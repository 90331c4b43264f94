// SPDX-License-Identifier: MIT
#include <muster/detail/chunk_line.hpp>

#include <algorithm>

#include <muster/error.hpp>

#include "engine/engine.hpp"
#include "engine/registry.hpp"

namespace muster::detail {

// Ends the line when the task settles; a continuation that runs there and frees itself.
struct chunk_line::end_mark : continuation {
  explicit end_mark(std::shared_ptr<chunk_line> of) : line(std::move(of)) {
    at_once = true;
    run = [](continuation* self, task&) noexcept {
      const std::unique_ptr<end_mark> mark(static_cast<end_mark*>(self));
      mark->line->end();
    };
  }
  std::shared_ptr<chunk_line> line;
};

void chunk_line::follow(task& t) { attach(t, new end_mark(shared_from_this())); }

void chunk_line::end() {
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  changed_.notify_all();
}

void chunk_line::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  taken_ += waiting_.size();
  waiting_.clear();
  changed_.notify_all();
}

std::optional<chunk_line::chunk> chunk_line::take(task& t) {
  for (const auto* at = engine::here(); at != nullptr; at = at->outer)
    if (at->home == t.home)
      throw would_deadlock("a stream was read inside a task of the pool that its own task runs in");
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !waiting_.empty() || has_ended_; });
  if (waiting_.empty()) return std::nullopt;
  chunk next = std::move(waiting_.front());
  waiting_.pop_front();
  ++taken_;
  changed_.notify_all();  // a thread may wait for room
  // Half of what it may be ahead at a time: while less than that is kept back, the task has room.
  const bool is_to_be_told = taken_ - told_ >= std::max<std::size_t>(1, ahead_ / 2) && !has_ended_;
  if (is_to_be_told) told_ = taken_;
  const std::uint64_t taken = taken_;
  lock.unlock();
  if (is_to_be_told) engine::with_living(t.home, [&](task_home& home) { home.chunks_taken(t, taken); });
  return next;
}

bool chunk_line::has_room() {
  const std::lock_guard lock(mutex_);
  return put_ - taken_ < ahead_;
}

bool chunk_line::put_or_wait(std::shared_ptr<void> value, const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return is_closed_ || has_ended_ || stop.stop_requested(); };
  changed_.wait(lock, [&] { return put_ - taken_ < ahead_ || is_over(); });
  if (is_over()) return false;
  ++put_;
  waiting_.push_back({.value = std::move(value)});
  changed_.notify_all();
  return true;
}

bool chunk_line::put(bytes encoded) {
  const std::lock_guard lock(mutex_);
  if (put_ - taken_ >= ahead_) return false;
  ++put_;
  if (is_closed_ || has_ended_) {
    ++taken_;
  } else {
    waiting_.push_back({.encoded = std::move(encoded)});
    changed_.notify_all();
  }
  return true;
}

}  // namespace muster::detail
