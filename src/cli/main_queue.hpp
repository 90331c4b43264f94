// SPDX-License-Identifier: MIT
//
// Brings the pool's callbacks to the main thread, so that everything else of the command has one thread: the
// pool's executor posts here, and the main thread sleeps in poll on descriptor(). Any thread may post; the
// main thread alone runs.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace muster::cli {

class main_queue {
public:
  /// Throws std::system_error when there is no descriptor left.
  main_queue();
  ~main_queue();
  main_queue(const main_queue&) = delete;
  main_queue& operator=(const main_queue&) = delete;

  void post(std::function<void()> work);
  /// Readable when there is something to run.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Runs what was posted, also what is posted meanwhile.
  void run();

private:
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  int descriptor_;
};

}  // namespace muster::cli
