// SPDX-License-Identifier: MIT
// A piece of shared memory without a name: a memfd and its mapping. The owner of a pool creates regions and
// sends their descriptors to a worker, which maps them; both hold the mapping through this object and it is
// unmapped when the object goes. Creating and mapping are for one thread at a time; the memory itself is the
// rings' business. A region is not inherited by fork: a child that a task or the host program forks has no
// part in the protocol.
#pragma once

#include "base/file_descriptor.hpp"

#include <cassert>
#include <cstddef>
#include <expected>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <utility>

namespace muster::ipc {

// A call to the system that failed, and why.
struct system_failure {
  const char* call;
  std::error_code code;
};

enum class access { read_only, read_write };

class region {
public:
  // Makes memory of `size` bytes, all zero, mapped for reading and writing here. It can never shrink or grow,
  // and with `others` read_only nobody who gets the descriptor can ever write it. `name` is shown in /proc
  // only.
  static std::expected<region, system_failure> create(const char* name, std::size_t size, access others);

  // Maps a descriptor that came from the creator. Fails when it is not a sealed memfd of exactly `size`
  // bytes. The descriptor stays the caller's and may be closed afterwards.
  static std::expected<region, system_failure> map(int descriptor, std::size_t size, access how);

  region(region&& other) noexcept
      : descriptor_(std::move(other.descriptor_)),
        address_(std::exchange(other.address_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  region& operator=(region&& other) noexcept;
  ~region() { unmap(); }

  // The descriptor to send; -1 in a region that was mapped, or after close_descriptor.
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  void close_descriptor() { descriptor_.reset(); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] void* address() const { return address_; }

  // What lies in the region. Its words start at zero, as fresh memory does; nothing is written here, so that
  // a page comes when it is first used.
  template <class T>
  T& view() const {
    assert(size_ >= sizeof(T));
    return *std::launder(static_cast<T*>(address_));
  }

private:
  region(base::file_descriptor descriptor, void* address, std::size_t size)
      : descriptor_(std::move(descriptor)), address_(address), size_(size) {}
  void unmap();

  base::file_descriptor descriptor_;
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace muster::ipc
