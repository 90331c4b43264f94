// SPDX-License-Identifier: MIT
// The bookkeeping of a ring of bytes: which part is in use. It lives in the private memory of the ring's one
// writer and holds no byte itself, so nothing another process does can disturb it. Not thread-safe: its ring
// calls it.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>

namespace muster::ipc {

class byte_ring_cursors {
public:
  explicit byte_ring_cursors(std::uint64_t capacity) : capacity_(capacity) {}

  // Finds `size` bytes in one piece, aligned to 8. Returns their offset, or nothing when there is no room
  // now. A piece that would run over the end starts at the beginning again, and what it leaves behind counts
  // as used.
  std::optional<std::uint64_t> reserve(std::uint64_t size) {
    const std::uint64_t rounded = (size + 7) & ~std::uint64_t{7};
    const std::uint64_t offset = head_ % capacity_;
    const std::uint64_t skipped = offset + rounded > capacity_ ? capacity_ - offset : 0;
    if (rounded > capacity_ || head_ + skipped + rounded - tail_ > capacity_) return std::nullopt;
    head_ += skipped + rounded;
    return (offset + skipped) % capacity_;
  }

  // A mark behind everything that is reserved now.
  [[nodiscard]] std::uint64_t mark() const { return head_; }

  // Frees everything before a mark. Marks are freed in the order in which they were made.
  void free_before(std::uint64_t mark) {
    assert(mark >= tail_ && mark <= head_);
    tail_ = mark;
  }

  // Forgets what was reserved since a mark: the opposite end of the ring.
  void rewind(std::uint64_t mark) {
    assert(mark >= tail_ && mark <= head_);
    head_ = mark;
  }

  [[nodiscard]] std::uint64_t in_use() const { return head_ - tail_; }

private:
  std::uint64_t capacity_;
  std::uint64_t head_ = 0;  // both only grow; the offset is the rest modulo the capacity
  std::uint64_t tail_ = 0;
};

}  // namespace muster::ipc
