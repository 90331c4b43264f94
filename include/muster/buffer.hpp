// SPDX-License-Identifier: MIT
#pragma once

/// Large data without copies: memory that the owner of a pool and a worker process both see.
///
///     muster::buffer blur(muster::buffer image, int radius);   // works in place, and returns it
///
///     muster::buffer image = pool.lease(64_MiB);               // from the pool's arena
///     decode_into(image.bytes(), path);                        // filled in place
///     auto f = pool.submit(blur, std::move(image), 3);         // handed over
///     muster::buffer done = f.get();                           // the same memory
///
/// A buffer has one owner, and moving it hands it over: to a task, which gets it as an argument of type
/// muster::buffer, and back as (part of) its result. It may be inside containers and inside structs that
/// cross by muster::fields or a codec; a call carries at most 16 of them each way. An argument that is given
/// as an lvalue stays the caller's, and the task gets a copy. On a thread pool it is moved like any value.
///
/// What a task does not give back returns to the arena when the worker has answered; after a death, when the
/// worker is surely gone. A call that is retried gets its buffers again, with the bytes as the attempt before
/// left them. A buffer that its holder keeps outlives the pool.
///
/// A worker process can write the buffers that it was given for as long as it lives, also after its task: no
/// other worker is given these meanwhile, but who reads a result in place reads memory that is not his alone.
/// See untrusted_view. All of this is told in docs/guide/zero-copy.md.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/codec.hpp>
#include <muster/detail/memory_block.hpp>

namespace muster {

namespace detail {
struct buffer_access;
[[noreturn]] void refuse_range(std::size_t offset, std::size_t length, std::size_t size);
[[noreturn]] void refuse_elements(std::size_t misaligned_by, std::size_t size, std::size_t element);

/// The bytes as elements of T. Throws std::invalid_argument where they do not begin at an address for a T or
/// do not hold a whole number of them.
template <class T, class Byte>
auto elements_of(std::span<Byte> bytes) {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "muster: only values without pointers can lie in memory that another process sees.");
  using element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
  const std::size_t off = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T);
  if (off != 0 || bytes.size() % sizeof(T) != 0) refuse_elements(off, bytes.size(), sizeof(T));
  return std::span<element>(reinterpret_cast<element*>(bytes.data()), bytes.size() / sizeof(T));
}
}  // namespace detail

/// Bytes that another process may be changing. There is no pointer to them: a check followed by a second read
/// of the same bytes is no check, so everything is copied out, once, and then looked at. Valid as long as the
/// buffer it came from.
class untrusted_view {
public:
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  /// A number, enum or struct with muster::as_bytes at this offset, aligned or not. Throws std::out_of_range.
  template <class T>
    requires detail::flat<T>
  [[nodiscard]] T load(std::size_t offset) const {
    std::array<std::byte, sizeof(T)> raw;
    copy(offset, raw);
    return std::bit_cast<T>(raw);
  }
  /// Copies to.size() bytes from this offset. Throws std::out_of_range.
  void copy(std::size_t offset, std::span<std::byte> to) const {
    if (offset > size() || to.size() > size() - offset) detail::refuse_range(offset, to.size(), size());
    detail::copy_once(to.data(), bytes_.subspan(offset, to.size()));
  }
  /// All of it.
  [[nodiscard]] std::vector<std::byte> copy() const {
    std::vector<std::byte> all(size());
    copy(0, all);
    return all;
  }

private:
  friend class buffer;
  friend class shared_buffer;
  explicit untrusted_view(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

/// Memory that several calls may read at the same time, in this process and in any number of workers. Nobody
/// can write it any more: the kernel refuses it to worker processes. Copies are cheap and are the same
/// memory. A worker maps it for the time of a call.
class shared_buffer {
public:
  shared_buffer() noexcept = default;
  /// What is in this open file. A memory file that is sealed against shrinking and writing is mapped in
  /// place; any other is read, because who could cut a mapped file short could end this program with it. (To
  /// map such a file in a worker, where that costs one task, pass its muster::unique_fd.) Blocks while it
  /// reads. Throws std::system_error, and std::invalid_argument for what has no size, such as a pipe.
  [[nodiscard]] static shared_buffer of_file(unique_fd file);

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  explicit operator bool() const noexcept { return block_ != nullptr; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// As buffer::as.
  template <class T>
  [[nodiscard]] std::span<const T> as() const {
    return detail::elements_of<T>(bytes_);
  }
  [[nodiscard]] untrusted_view view() const noexcept { return untrusted_view(bytes_); }
  /// A part of the same memory. Throws std::out_of_range.
  [[nodiscard]] shared_buffer part(std::size_t offset, std::size_t length) const {
    if (offset > size() || length > size() - offset) detail::refuse_range(offset, length, size());
    return shared_buffer(block_, bytes_.subspan(offset, length));
  }

private:
  friend struct detail::buffer_access;
  shared_buffer(std::shared_ptr<detail::memory_block> block, std::span<const std::byte> bytes) noexcept
      : block_(std::move(block)), bytes_(bytes) {}
  std::shared_ptr<detail::memory_block> block_;
  std::span<const std::byte> bytes_;
};

/// Owns memory that can be handed to a task. Move-only; one thread at a time.
class buffer {
public:
  buffer() noexcept = default;
  /// Fresh memory, all zero, of no pool's arena: for a task that has no buffer to give its result in. It goes
  /// to the other process as a descriptor, and is mapped there anew; a lease costs less. At most 1 GiB can
  /// cross. Throws std::system_error where the system has none.
  explicit buffer(std::size_t bytes);
  buffer(buffer&& other) noexcept
      : block_(std::move(other.block_)), bytes_(std::exchange(other.bytes_, {})) {}
  buffer& operator=(buffer&& other) noexcept {
    block_ = std::move(other.block_);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
  }
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;
  ~buffer() = default;

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  explicit operator bool() const noexcept { return block_ != nullptr; }
  /// In place. A worker process that had this buffer may still write it.
  [[nodiscard]] std::span<std::byte> bytes() noexcept { return bytes_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// The bytes as elements of T, which is trivially copyable. Throws std::invalid_argument where they do not
  /// begin at an address for a T (the whole of a buffer does) or do not hold a whole number of them.
  template <class T>
  [[nodiscard]] std::span<T> as() {
    return detail::elements_of<T>(bytes_);
  }
  template <class T>
  [[nodiscard]] std::span<const T> as() const {
    return detail::elements_of<T>(std::span<const std::byte>(bytes_));
  }
  /// For bytes of a worker that is not to be trusted.
  [[nodiscard]] untrusted_view view() const noexcept { return untrusted_view(bytes_); }

  /// The same buffer, narrowed: `return std::move(out).part(0, written);`. Throws std::out_of_range.
  [[nodiscard]] buffer part(std::size_t offset, std::size_t length) && {
    if (offset > size() || length > size() - offset) detail::refuse_range(offset, length, size());
    const auto rest = bytes_.subspan(offset, length);
    bytes_ = {};
    return buffer(std::move(block_), rest);
  }
  /// From now on it can only be read, by as many calls as you like. Costs a copy where a worker process has
  /// had this buffer, or it is called in one: what somebody can write cannot be taken away from him.
  [[nodiscard]] shared_buffer share() &&;

private:
  friend struct detail::buffer_access;
  buffer(std::shared_ptr<detail::memory_block> block, std::span<std::byte> bytes) noexcept
      : block_(std::move(block)), bytes_(bytes) {}
  std::shared_ptr<detail::memory_block> block_;
  std::span<std::byte> bytes_;
};

template <>
struct codec<buffer> {
  static void encode(writer& out, const buffer& value);
  static buffer decode(reader& in);
};
template <>
struct codec<shared_buffer> {
  static void encode(writer& out, const shared_buffer& value);
  static shared_buffer decode(reader& in);
};

}  // namespace muster
