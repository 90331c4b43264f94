// SPDX-License-Identifier: MIT
//
// The bytes of a call on their way to another process: a `writer` collects them, a `reader` takes them apart
// again. Descriptors travel beside the bytes, in a list of their own. A writer or reader belongs to whoever
// made it and is used by one thread at a time. What a reader reads may have been written by a process that is
// broken or hostile, so every read is checked against what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <muster/error.hpp>
#include <muster/handle.hpp>

namespace muster {

namespace detail {

/// How deeply values may hold values of the same kind (a tree in a tree). It bounds the stack that a decode
/// can use.
inline constexpr unsigned max_nesting = 256;

/// Sizes below this take one byte; this byte announces that the size follows in eight.
inline constexpr unsigned char long_size_mark = 0xff;

/// A call carries at most so many descriptors each way.
inline constexpr std::size_t max_handles = 16;

struct archive_slot;  // <muster/cereal.hpp>
struct memory_block;  // <muster/buffer.hpp>
using block_ref = std::shared_ptr<memory_block>;

/// Arguments of up to so many bytes go through a ring of the process they are for.
inline constexpr std::size_t largest_in_ring = 65'536;

/// Where a writer may put a long row of bytes, so that a worker process can be shown it as it is.
struct block_source {
  /// A block with `room` for at least `size` bytes; null: there is none, and `room` is left alone.
  virtual block_ref lease(std::size_t size, std::span<std::byte>& room) noexcept = 0;

protected:
  ~block_source() = default;
};

[[noreturn]] inline void refuse_bytes(const char* why) { throw decode_error(why); }
[[noreturn]] inline void refuse_value(const char* why) { throw encode_error(why); }

}  // namespace detail

/// A growing row of bytes. Small rows live inside the object, so that small calls allocate nothing.
class writer {
public:
  static constexpr std::size_t inline_capacity = 96;

  writer() noexcept = default;
  /// A row of more than `large` bytes, most of which come in one piece, goes into a block of `source`, where
  /// that has one. It outlives the writer.
  writer(detail::block_source& source, std::size_t large) noexcept : source_(&source), large_(large) {}
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;
  writer(writer&& other) noexcept { take(other); }
  writer& operator=(writer&& other) noexcept {
    if (this != &other) {
      let_go();
      take(other);
    }
    return *this;
  }
  ~writer() { let_go(); }

  /// Appends `count` bytes. Throws std::bad_alloc; the bytes so far are then unchanged.
  void write(const void* from, std::size_t count) {
    if (count > capacity_ - size_) grow(count);
    if (count != 0) std::memcpy(data() + size_, from, count);
    size_ += count;
  }

  /// Appends the number of elements of a container: one byte when it is small.
  void write_size(std::size_t count) {
    if (count < detail::long_size_mark) {
      const auto small = static_cast<unsigned char>(count);
      write(&small, 1);
    } else {
      const auto large = static_cast<std::uint64_t>(count);
      write(&detail::long_size_mark, 1);
      write(&large, sizeof large);
    }
  }

  /// Makes room for `count` more bytes in all.
  void reserve(std::size_t count) {
    if (count > capacity_ - size_) grow(count);
  }

  /// Appends a descriptor to those that go beside the bytes. Throws encode_error for the 17th.
  void add(unique_fd descriptor) {
    if (handles_.size() >= detail::max_handles)
      detail::refuse_value("more than 16 descriptors in one call cannot be sent");
    handles_.push_back(std::move(descriptor));
  }

  std::span<const std::byte> bytes() const noexcept { return {data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  /// The block in which they lie; null: in none.
  const detail::block_ref& home() const noexcept { return home_; }
  /// Gives up a row that is too long to lie in the object, and lies in no block: memory of std::malloc, the
  /// caller's.
  std::byte* release() noexcept {
    // What is left over goes back, where it is much.
    if (capacity_ > size_ + size_ / 8)
      if (void* const fitting = std::realloc(heap_, size_)) heap_ = static_cast<std::byte*>(fitting);
    size_ = 0;
    capacity_ = inline_capacity;
    return std::exchange(heap_, nullptr);
  }
  /// What goes beside the bytes, in order.
  std::vector<unique_fd>& handles() noexcept { return handles_; }
  [[nodiscard]] bool has_anything_beside() const noexcept { return !handles_.empty() || !blocks_.empty(); }

  /// The number by which the value names this block (see buffer.hpp). Below 0 where the blocks were given and
  /// it is none of them; otherwise it becomes one. Throws encode_error for the 17th.
  int name(const detail::block_ref& block) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i] != block) continue;
      names_blocks_ = true;
      return static_cast<int>(i);
    }
    if (blocks_given_) return -1;
    if (blocks_.size() >= detail::max_handles)
      detail::refuse_value("more than 16 buffers in one call cannot be sent");
    blocks_.push_back(block);
    names_blocks_ = true;
    return static_cast<int>(blocks_.size()) - 1;
  }
  std::vector<detail::block_ref>& blocks() noexcept { return blocks_; }
  [[nodiscard]] bool names_blocks() const noexcept { return names_blocks_; }
  /// For a result: those of its call, the only ones that it can name.
  void give_blocks(std::vector<detail::block_ref> blocks) noexcept {
    blocks_ = std::move(blocks);
    blocks_given_ = true;
  }

  /// Forgets all bytes but the first so many, and what goes beside them.
  void cut(std::size_t size) noexcept {
    clear();
    size_ = size;
  }

  /// Forgets the bytes and keeps the memory; closes the descriptors.
  void clear() noexcept {
    size_ = 0;
    handles_.clear();
    names_blocks_ = false;
    if (!blocks_given_) blocks_.clear();
  }

  /// One level of nesting, for as long as the guard lives. Throws encode_error when the value nests too
  /// deeply.
  class nested {
  public:
    explicit nested(writer& out) : out_(out) {
      if (out_.depth_ >= detail::max_nesting)
        detail::refuse_value("the value is nested too deeply to be encoded");
      ++out_.depth_;
    }
    nested(const nested&) = delete;
    nested& operator=(const nested&) = delete;
    ~nested() { --out_.depth_; }

  private:
    writer& out_;
  };

private:
  friend struct detail::archive_slot;

  std::byte* data() noexcept { return heap_ != nullptr ? heap_ : inline_; }
  const std::byte* data() const noexcept { return heap_ != nullptr ? heap_ : inline_; }

  void grow(std::size_t more) {
    constexpr std::size_t limit = static_cast<std::size_t>(-1) / 4;
    if (more > limit || size_ > limit) throw std::bad_alloc();
    std::size_t wanted = capacity_ * 2;
    if (wanted < size_ + more) wanted = size_ + more;
    if (size_ + more > large_ && more >= large_ / 2 && move_to_block(size_ + more)) return;
    // realloc can move large rows by remapping pages instead of copying them.
    auto* bigger = static_cast<std::byte*>(std::realloc(home_ ? nullptr : heap_, wanted));
    if (bigger == nullptr) throw std::bad_alloc();
    if (heap_ == nullptr || home_) std::memcpy(bigger, data(), size_);
    home_.reset();
    heap_ = bigger;
    capacity_ = wanted;
  }
  bool move_to_block(std::size_t wanted) {
    std::span<std::byte> room;
    detail::block_ref block = source_->lease(wanted, room);
    if (block == nullptr) return false;
    std::memcpy(room.data(), data(), size_);
    let_go();
    home_ = std::move(block);
    heap_ = room.data();
    capacity_ = room.size();
    return true;
  }
  void let_go() noexcept {
    if (!home_) std::free(heap_);
    home_.reset();
  }

  void take(writer& other) noexcept {
    source_ = other.source_;
    large_ = other.large_;
    home_ = std::move(other.home_);
    heap_ = std::exchange(other.heap_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, inline_capacity);
    handles_ = std::move(other.handles_);
    blocks_ = std::move(other.blocks_);
    blocks_given_ = other.blocks_given_;
    names_blocks_ = other.names_blocks_;
    if (heap_ == nullptr) std::memcpy(inline_, other.inline_, size_);
  }

  detail::block_source* source_ = nullptr;
  std::size_t large_ = static_cast<std::size_t>(-1);
  detail::block_ref home_{};  // where heap_ points into; null: it is of std::malloc
  std::byte* heap_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = inline_capacity;
  unsigned depth_ = 0;
  void* archive_ = nullptr;  // the cereal archive that writes this message, if one is at work
  std::vector<unique_fd> handles_;
  std::vector<detail::block_ref> blocks_;
  bool blocks_given_ = false, names_blocks_ = false;
  std::byte inline_[inline_capacity];
};

/// A bounded view of bytes, and of the descriptors beside them, that someone else keeps alive. Every read
/// that would pass the end throws decode_error.
class reader {
public:
  explicit reader(std::span<const std::byte> bytes, std::span<unique_fd> handles = {},
                  std::span<detail::block_ref> blocks = {}) noexcept
      : next_(bytes.data()), end_(bytes.data() + bytes.size()), handles_(handles), blocks_(blocks) {}
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - next_); }

  /// Copies the next `count` bytes to `to`.
  void read(void* to, std::size_t count) {
    const std::byte* from = skip(count);
    if (count != 0) std::memcpy(to, from, count);
  }

  /// Passes over `count` bytes and answers where they begin.
  const std::byte* skip(std::size_t count) {
    if (count > remaining()) detail::refuse_bytes("the bytes end before the value does");
    return std::exchange(next_, next_ + count);
  }

  /// Reads the number of elements of a container whose elements take at least `least` (not 0) bytes each in
  /// the encoding. A number that cannot fit in what is left is refused here, before anyone allocates for it.
  std::size_t read_size(std::size_t least = 1) {
    unsigned char small = 0;
    read(&small, 1);
    std::uint64_t count = small;
    if (small == detail::long_size_mark) read(&count, sizeof count);
    if (count > remaining() / least) detail::refuse_bytes("a size is larger than the bytes that follow it");
    return static_cast<std::size_t>(count);
  }

  /// Takes the next descriptor out of those beside the bytes.
  unique_fd take_handle() {
    if (handles_.empty()) detail::refuse_bytes("the value has more descriptors than came with its bytes");
    unique_fd next = std::move(handles_.front());
    handles_ = handles_.subspan(1);
    return next;
  }

  /// The block that a value names by this number (see buffer.hpp), which is given away where nobody else may
  /// name it.
  template <class MayShare>
  detail::block_ref take_block(std::size_t number, MayShare may_share) {
    if (number >= blocks_.size())
      detail::refuse_bytes("the value names a buffer that its call does not have");
    if (blocks_[number] == nullptr) detail::refuse_bytes("the value names a buffer twice");
    return may_share(*blocks_[number]) ? blocks_[number] : std::exchange(blocks_[number], nullptr);
  }

  /// The value is complete: nothing may be left. Throws decode_error otherwise.
  void finish() const {
    if (remaining() != 0) detail::refuse_bytes("the bytes go on after the value has ended");
    if (!handles_.empty()) detail::refuse_bytes("more descriptors came than the value has");
  }

  /// One level of nesting, for as long as the guard lives. Throws decode_error when the bytes nest too
  /// deeply.
  class nested {
  public:
    explicit nested(reader& in) : in_(in) {
      if (in_.depth_ >= detail::max_nesting) detail::refuse_bytes("the bytes are nested too deeply");
      ++in_.depth_;
    }
    nested(const nested&) = delete;
    nested& operator=(const nested&) = delete;
    ~nested() { --in_.depth_; }

  private:
    reader& in_;
  };

private:
  friend struct detail::archive_slot;

  const std::byte* next_;
  const std::byte* end_;
  unsigned depth_ = 0;
  void* archive_ = nullptr;  // as in writer
  std::span<unique_fd> handles_;
  std::span<detail::block_ref> blocks_;
};

}  // namespace muster
