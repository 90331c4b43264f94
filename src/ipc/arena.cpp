// SPDX-License-Identifier: MIT
#include "ipc/arena.hpp"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "base/clock.hpp"

namespace muster::ipc {

namespace {

// Some process may have it mapped for as long as it lives: its pages go all the same.
void give_up(memory_block& block) {
  if (block.shown && !block.sealed)
    (void)::fallocate(block.file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(block.size));
}

struct given_up {
  std::vector<std::unique_ptr<memory_block>> blocks;
  void let_go() {
    for (const auto& each : blocks) give_up(*each);
    blocks.clear();
  }
  ~given_up() { let_go(); }
};

}  // namespace

block_ref arena::lease(std::size_t room, duration patience) {
  constexpr std::size_t most = std::size_t{1} << 62U;
  const std::size_t size = class_of(std::min(room, most));
  const auto until = base::after(std::chrono::steady_clock::now(), std::max(patience, duration::zero()));
  given_up gone;  // outside the lock
  std::unique_lock lock(mutex_);
  // One whose worker has nothing to do, else a new one, else one whose call will wait for its worker, else
  // one instead of others that are free.
  for (bool last_look = false;;) {
    owned found = take_free(size, true);
    if (!found && !has_room(size)) found = take_free(size, false);
    if (found) {
      leased_ += found->size;
      lock.unlock();
      return lend(std::move(found), room);
    }
    if (make_room(size, gone.blocks)) break;
    if (size > limits_.bytes || closed_ || last_look) throw arena_full(too_little(room, size));
    last_look = given_back_.wait_until(lock, until) == std::cv_status::timeout;
  }
  const auto place = static_cast<std::uint32_t>(std::ranges::find(places_, false) - places_.begin());
  if (place == places_.size()) places_.push_back(false);
  places_[place] = true;
  ++blocks_;
  bytes_ += size;
  leased_ += size;
  lock.unlock();
  gone.let_go();  // before more is taken
  owned made;
  try {
    made = make(size);
  } catch (...) {
    lock.lock();
    places_[place] = false;
    --blocks_;
    bytes_ -= size;
    leased_ -= size;
    given_back_.notify_all();
    throw;
  }
  made->home = this;
  made->place = place;
  return lend(std::move(made), room);
}

arena::owned arena::make(std::size_t size) {
  auto made = make_block(size, limits_.touch);
  if (made) return std::move(*made);
  throw std::system_error(made.error().code, fmt::format("a buffer of {} bytes of the pool '{}': {}", size,
                                                         name_, made.error().call));
}

block_ref arena::lend(owned block, std::size_t room) {
  block->room = room;
  return block_ref(block.release(), [home = shared_from_this()](memory_block* b) { home->back(owned(b)); });
}

// What is sealed nobody could write again.
void arena::back(owned block) {
  given_up gone;
  const std::lock_guard lock(mutex_);
  leased_ -= block->size;
  if (closed_ || block->sealed) {
    forget(*block);
    gone.blocks.push_back(std::move(block));
  } else {
    free_.push_back(std::move(block));
  }
  given_back_.notify_all();
}

void arena::forget(const memory_block& block) {
  bytes_ -= block.size;
  --blocks_;
  places_[block.place] = false;
}

arena::owned arena::take_free(std::size_t size, bool ready) {
  const auto found = std::find_if(free_.rbegin(), free_.rend(), [&](const owned& b) {
    if (b->size != size) return false;
    const auto seen_by = ready ? b->seen_by.lock() : nullptr;
    return !seen_by || seen_by->is_free.load(std::memory_order_relaxed);
  });
  if (found == free_.rend()) return nullptr;
  owned taken = std::move(*found);
  free_.erase(std::next(found).base());
  return taken;
}

bool arena::has_room(std::size_t size) const {
  return !closed_ && size <= limits_.bytes && bytes_ <= limits_.bytes - size &&
         blocks_ < static_cast<std::size_t>(limits_.blocks);
}

// Those that came back longest ago go first.
bool arena::make_room(std::size_t size, std::vector<owned>& gone) {
  if (closed_ || size > limits_.bytes || leased_ > limits_.bytes - size) return false;
  while (!has_room(size) && !free_.empty()) {
    forget(*free_.front());
    gone.push_back(std::move(free_.front()));
    free_.erase(free_.begin());
  }
  return has_room(size);
}

void arena::trim() {
  arguments_->trim();
  given_up gone;
  const std::lock_guard lock(mutex_);
  for (const owned& each : free_) forget(*each);
  gone.blocks.swap(free_);
  given_back_.notify_all();
}

void arena::close() {
  arguments_->close();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  trim();
}

arena_stats arena::stats() const {
  const std::lock_guard lock(mutex_);
  return {.bytes = bytes_,
          .leased = leased_,
          .blocks = blocks_,
          .copied = copied_.load(std::memory_order_relaxed),
          .arguments = arguments_->bytes()};
}

std::string arena::too_little(std::size_t room, std::size_t size) const {
  if (size > limits_.bytes)
    return fmt::format(
        "a buffer of {} bytes takes {} in the arena of the pool '{}', and arena.bytes = {}: raise it, or "
        "lease "
        "less",
        room, size, name_, limits_.bytes);
  return fmt::format(
      "the arena of the pool '{}' is full: a buffer of {} bytes takes {}, and {} bytes in {} buffers are "
      "leased; "
      "arena.bytes = {}, arena.blocks = {}. Raise them, or wait until a buffer is given back",
      name_, room, size, leased_, blocks_ - free_.size(), limits_.bytes, limits_.blocks);
}

}  // namespace muster::ipc
