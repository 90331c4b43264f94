// SPDX-License-Identifier: MIT
#include <muster/handle.hpp>

#include <fcntl.h>

#include <cerrno>
#include <system_error>

namespace muster {

unique_fd unique_fd::duplicate_of(int descriptor) {
  const int made = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (made < 0) throw std::system_error(errno, std::generic_category(), "a descriptor cannot be duplicated");
  return unique_fd(made);
}

}  // namespace muster
