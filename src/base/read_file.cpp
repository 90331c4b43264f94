// SPDX-License-Identifier: MIT
#include "base/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_descriptor.hpp"

namespace muster::base {

std::optional<std::string> read_whole(const std::string& path) {
  const file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string result;
  char part[4096];
  while (true) {
    const ssize_t size = ::read(file.get(), part, sizeof part);
    if (size > 0)
      result.append(part, static_cast<std::size_t>(size));
    else if (size == 0)
      return result;
    else if (errno != EINTR)
      return std::nullopt;
  }
}

}  // namespace muster::base
