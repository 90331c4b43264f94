// SPDX-License-Identifier: MIT
#include "ipc/region.hpp"

#include "ipc/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace muster::ipc {

namespace {

std::expected<void*, system_failure> map_shared(int descriptor, std::size_t size, int protection) {
  void* address = ::mmap(nullptr, size, protection, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) return std::unexpected(failure_of("mmap"));
  if (::madvise(address, size, MADV_DONTFORK) != 0) {
    const system_failure failure = failure_of("madvise(MADV_DONTFORK)");
    ::munmap(address, size);
    return std::unexpected(failure);
  }
  return address;
}

}  // namespace

std::expected<region, system_failure> region::create(const char* name, std::size_t size, access others) {
  auto descriptor = make_memfd(name);
  if (!descriptor) return std::unexpected(descriptor.error());
  if (::ftruncate(descriptor->get(), static_cast<off_t>(size)) != 0) {
    return std::unexpected(failure_of("ftruncate"));
  }
  // The writable mapping must exist before the seal that forbids any further one.
  auto address = map_shared(descriptor->get(), size, PROT_READ | PROT_WRITE);
  if (!address) return std::unexpected(address.error());
  region made(std::move(*descriptor), *address, size);
  unsigned seals = fixed_size_seals | F_SEAL_SEAL;
  if (others == access::read_only) seals |= future_write_seal;
  if (auto sealed = add_seals(made.descriptor(), seals); !sealed) return std::unexpected(sealed.error());
  return made;
}

std::expected<region, system_failure> region::map(int descriptor, std::size_t size, access how) {
  if (auto good = check_memfd(descriptor, fixed_size_seals, size); !good) {
    return std::unexpected(good.error());
  }
  const int protection = how == access::read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  auto address = map_shared(descriptor, size, protection);
  if (!address) return std::unexpected(address.error());
  return region(base::file_descriptor(), *address, size);
}

region& region::operator=(region&& other) noexcept {
  if (this != &other) {
    unmap();
    descriptor_ = std::move(other.descriptor_);
    address_ = std::exchange(other.address_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void region::unmap() {
  if (address_ != nullptr) ::munmap(address_, size_);
  address_ = nullptr;
}

}  // namespace muster::ipc
