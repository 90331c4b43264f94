// SPDX-License-Identifier: MIT
#include "ipc/argument_memory.hpp"

#include "ipc/layout.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace muster::ipc {

namespace {

// Rounded up by at most a sixteenth, so that few sizes are different.
std::size_t room_for(std::size_t size) {
  const std::size_t step = std::max(std::bit_floor(size) / 16, std::size_t{4'096});
  return (size + step - 1) / step * step;
}

}  // namespace

// One whose worker would begin at once, else a new one, else any: it is filled by then.
block_ref argument_memory::lease(std::size_t size, std::span<std::byte>& room) noexcept {
  const auto is_for_free = [](const detail::worker_token* seen_by) {
    return seen_by == nullptr || seen_by->is_free.load(std::memory_order_relaxed);
  };
  auto block = take(size, nullptr, is_for_free);
  if (!block) block = take_free(size, [](const detail::worker_token*) { return true; });
  if (block) room = {block->address, block->size};
  return block;
}

block_ref argument_memory::lease_for(const detail::worker_token& who, std::size_t size,
                                     std::vector<std::uint64_t>& forgotten) noexcept {
  return take(size, &forgotten,
              [&who](const detail::worker_token* seen_by) { return seen_by == nullptr || seen_by == &who; });
}

// Those first that a worker has mapped. One that is up to twice as large serves as well as a new one.
template <class MayUse>
block_ref argument_memory::take_free(std::size_t size, MayUse may_use) {
  const std::size_t wanted = room_for(size);
  std::unique_lock lock(mutex_);
  for (const bool was_seen : {true, false}) {
    const auto is_fit = [&](const owned& block) {
      const auto seen_by = block->seen_by.lock();
      return block->size >= wanted && block->size / 2 <= wanted && (seen_by != nullptr) == was_seen &&
             may_use(seen_by.get());
    };
    const auto found = std::find_if(free_.rbegin(), free_.rend(), is_fit);
    if (found == free_.rend()) continue;
    owned taken = std::move(*found);
    free_.erase(std::next(found).base());
    lock.unlock();
    return lend(std::move(taken), size);
  }
  return nullptr;
}

template <class MayUse>
block_ref argument_memory::take(std::size_t size, std::vector<std::uint64_t>* forgotten, MayUse may_use) try {
  if (size > payload_limit) return nullptr;
  if (auto found = take_free(size, may_use)) return found;
  const std::size_t wanted = room_for(size);
  if (wanted > most_) return nullptr;
  std::vector<owned> gone;  // unmapped without the lock
  std::unique_lock lock(mutex_);
  if (closed_) return nullptr;
  // Others make room for a new one, those first that came back longest ago; but pages that a living worker
  // has mapped are only free when it unmaps them, so its blocks go only where it is told to.
  for (auto each = free_.begin(); each != free_.end() && !has_room(wanted);) {
    const auto seen_by = (*each)->seen_by.lock();
    if (seen_by && (forgotten == nullptr || !may_use(seen_by.get()))) {
      ++each;
      continue;
    }
    if (seen_by) forgotten->push_back((*each)->id);
    forget(**each);
    gone.push_back(std::move(*each));
    each = free_.erase(each);
  }
  if (!has_room(wanted)) return nullptr;
  bytes_ += wanted;
  ++blocks_;
  lock.unlock();
  gone.clear();  // before more is taken
  auto made = make_block(wanted, true);
  if (made && seal_for_arguments(**made)) return lend(std::move(*made), size);
  lock.lock();
  bytes_ -= wanted;
  --blocks_;
  return nullptr;
} catch (const std::bad_alloc&) {
  return nullptr;
}

bool argument_memory::has_room(std::size_t wanted) const {
  return bytes_ <= most_ - wanted && blocks_ < most_blocks;
}

void argument_memory::forget(const memory_block& block) {
  bytes_ -= block.size;
  --blocks_;
}

// Where there is no memory for the reference it goes back at once.
block_ref argument_memory::lend(owned block, std::size_t size) noexcept try {
  block->room = size;
  return block_ref(block.release(),
                   [home = shared_from_this()](memory_block* b) noexcept { home->back(owned(b)); });
} catch (const std::bad_alloc&) {
  return nullptr;
}

void argument_memory::back(owned block) noexcept {
  const std::lock_guard lock(mutex_);
  if (!closed_) try {
      free_.push_back(std::move(block));
      return;
    } catch (const std::bad_alloc&) {}
  forget(*block);
  block.reset();
}

void argument_memory::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  trim();
}

void argument_memory::trim() {
  std::vector<owned> gone;
  const std::lock_guard lock(mutex_);
  for (const owned& each : free_) forget(*each);
  gone.swap(free_);
}

std::size_t argument_memory::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace muster::ipc
