// SPDX-License-Identifier: MIT
#include "ipc/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace muster::ipc {

namespace {

// Older headers do not have it, and older kernels refuse it with EINVAL.
constexpr unsigned no_exec_seal = 0x0008U;

system_failure refused(const char* what) { return {what, std::make_error_code(std::errc::invalid_argument)}; }

}  // namespace

system_failure failure_of(const char* call) { return {call, std::error_code(errno, std::system_category())}; }

std::expected<base::file_descriptor, system_failure> make_memfd(const char* name) {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int number = ::memfd_create(name, flags | no_exec_seal);
  if (number < 0 && errno == EINVAL) number = ::memfd_create(name, flags);
  if (number < 0) return std::unexpected(failure_of("memfd_create"));
  return base::file_descriptor(number);
}

std::expected<void, system_failure> add_seals(int descriptor, unsigned seals) {
  // The kernel is busy while it has its own business with a page of the file, such as moving it: that passes.
  // It waits for that itself, up to 150 ms each time.
  for (int patience = 20; ::fcntl(descriptor, F_ADD_SEALS, seals) != 0; --patience)
    if (errno != EBUSY || patience == 0) return std::unexpected(failure_of("fcntl(F_ADD_SEALS)"));
  return {};
}

std::expected<void, system_failure> check_memfd(int descriptor, unsigned seals, std::uint64_t size) {
  // Only memory files know seals, so this also keeps out everything whose reads could block.
  const int present = ::fcntl(descriptor, F_GET_SEALS);
  if (present < 0) return std::unexpected(failure_of("fcntl(F_GET_SEALS)"));
  if ((static_cast<unsigned>(present) & seals) != seals) return std::unexpected(refused("check of seals"));
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return std::unexpected(failure_of("fstat"));
  if (!S_ISREG(status.st_mode)) return std::unexpected(refused("check of file type"));
  if (status.st_size < 0 || static_cast<std::uint64_t>(status.st_size) != size) {
    return std::unexpected(refused("check of size"));
  }
  return {};
}

}  // namespace muster::ipc
