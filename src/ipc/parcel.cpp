// SPDX-License-Identifier: MIT
#include "ipc/parcel.hpp"

#include "ipc/layout.hpp"
#include "ipc/memfd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace muster::ipc {

namespace {

constexpr unsigned parcel_seals = fixed_size_seals | F_SEAL_WRITE;

system_failure too_large() { return {"check of size", std::make_error_code(std::errc::file_too_large)}; }

}  // namespace

std::expected<base::file_descriptor, system_failure> write_parcel(std::span<const std::byte> payload) {
  if (payload.size() > payload_limit) return std::unexpected(too_large());
  auto file = make_memfd("muster-parcel");
  if (!file) return file;
  while (!payload.empty()) {
    const ssize_t written = ::write(file->get(), payload.data(), payload.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(failure_of("write"));
    payload = payload.subspan(static_cast<std::size_t>(written));
  }
  if (auto sealed = add_seals(file->get(), parcel_seals | F_SEAL_SEAL); !sealed) {
    return std::unexpected(sealed.error());
  }
  return file;
}

std::expected<void, system_failure> read_parcel(int descriptor, std::span<std::byte> to) {
  if (to.size() > payload_limit) return std::unexpected(too_large());
  if (auto good = check_memfd(descriptor, parcel_seals, to.size()); !good) return good;
  off_t offset = 0;
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor, to.data(), to.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(failure_of("pread"));
    if (got == 0) return std::unexpected(system_failure{"pread", std::make_error_code(std::errc::io_error)});
    offset += got;
    to = to.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

std::expected<std::vector<std::byte>, system_failure> read_parcel(int descriptor, std::uint64_t size) {
  if (size > payload_limit) return std::unexpected(too_large());
  // Asked before the memory is: a stranger's number alone must not make the owner allocate.
  if (auto good = check_memfd(descriptor, parcel_seals, size); !good) return std::unexpected(good.error());
  std::vector<std::byte> bytes(size);
  if (auto read = read_parcel(descriptor, std::span<std::byte>(bytes)); !read)
    return std::unexpected(read.error());
  return bytes;
}

}  // namespace muster::ipc
