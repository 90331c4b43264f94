// SPDX-License-Identifier: MIT
#include "worker/stop_watch.hpp"

#include <thread>
#include <utility>

namespace muster::worker {

std::stop_token stop_watch::begin(std::uint64_t position) {
  auto source = std::make_shared<std::stop_source>();
  {
    const std::lock_guard lock(mutex_);
    position_ = position;
    present_ = source;
  }
  if (!std::exchange(running_, true)) std::thread([this] { run(); }).detach();
  look();  // it may have been cancelled before we began to watch
  return source->get_token();
}

void stop_watch::end() {
  const std::lock_guard lock(mutex_);
  present_.reset();
}

// Callbacks of the task's token run here, so not under the lock.
void stop_watch::look() {
  std::shared_ptr<std::stop_source> source;
  {
    const std::lock_guard lock(mutex_);
    if (present_ && calls_.is_cancelled(position_)) source = present_;
  }
  if (source) source->request_stop();
}

void stop_watch::run() {
  for (;;) {
    const std::uint32_t seen = calls_.cancel_bell();
    look();
    calls_.wait_for_cancel(seen);
  }
}

}  // namespace muster::worker
