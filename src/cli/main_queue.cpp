// SPDX-License-Identifier: MIT
#include "cli/main_queue.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace muster::cli {

main_queue::main_queue() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

main_queue::~main_queue() { ::close(descriptor_); }

void main_queue::post(std::function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    first = posted_.size() == 1;
  }
  // One ring for all that is posted until the main thread looks. It cannot fail: the counter is far from
  // full.
  if (first) ::eventfd_write(descriptor_, 1);
}

void main_queue::run() {
  for (;;) {
    std::vector<std::function<void()>> taken;
    {
      const std::lock_guard lock(mutex_);
      eventfd_t ignored = 0;
      ::eventfd_read(descriptor_, &ignored);
      taken.swap(posted_);
    }
    if (taken.empty()) return;
    for (auto& work : taken) {
      work();
      work = nullptr;
    }
  }
}

}  // namespace muster::cli
