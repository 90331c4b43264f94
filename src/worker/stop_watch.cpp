// SPDX-License-Identifier: MIT
#include "worker/stop_watch.hpp"

#include <thread>
#include <utility>

namespace muster::worker {

std::stop_token stop_watch::begin(std::uint64_t position) {
  auto source = std::make_shared<std::stop_source>();
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    watch_.push_back({position, source});
    is_first = !std::exchange(running_, true);
  }
  if (is_first) std::thread([this] { run(); }).detach();
  look();  // it may have been cancelled before we began to watch
  return source->get_token();
}

void stop_watch::end(std::uint64_t position) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watch_, [position](const watched& each) { return each.position == position; });
}

// Callbacks of the tasks' tokens run here, so not under the lock.
void stop_watch::look() {
  std::vector<std::shared_ptr<std::stop_source>> cancelled;
  {
    const std::lock_guard lock(mutex_);
    for (const watched& each : watch_)
      if (calls_.is_cancelled(each.position)) cancelled.push_back(each.source);
  }
  for (const auto& source : cancelled) source->request_stop();
}

void stop_watch::run() {
  for (;;) {
    const std::uint32_t seen = calls_.cancel_bell();
    look();
    calls_.wait_for_cancel(seen);
  }
}

}  // namespace muster::worker
