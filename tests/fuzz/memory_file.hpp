// SPDX-License-Identifier: MIT
#pragma once

// A file in memory, for what reads or writes files by their path. For one thread.

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include <muster/handle.hpp>

#include "fuzz/target.hpp"

namespace muster::fuzz {

class memory_file {
public:
  explicit memory_file(std::string_view text) {
    hold(file_ && ::pwrite(file_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
         "there is no file in memory");
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string text() const {
    std::string all(static_cast<std::size_t>(::lseek(file_.get(), 0, SEEK_END)), '\0');
    hold(::pread(file_.get(), all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()),
         "it is not read");
    return all;
  }

private:
  unique_fd file_{::memfd_create("fuzz", MFD_CLOEXEC)};
  std::string path_ = "/proc/self/fd/" + std::to_string(file_.get());
};

}  // namespace muster::fuzz
