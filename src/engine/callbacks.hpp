// SPDX-License-Identifier: MIT
#pragma once

// Runs continuations and event handlers: on the executor the user gave, or on one thread of the pool's own,
// started when first needed. In order, never under a lock of ours. Any thread may post; stop() is called
// once, by the pool. What waits here is bounded by the tasks that are not settled and the events that were
// sent. Always owned by a shared_ptr: its thread holds one too, so a callback may destroy the pool it came
// from.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <muster/options.hpp>

#include "base/clock.hpp"

namespace muster::engine {

class callbacks : public std::enable_shared_from_this<callbacks> {
public:
  callbacks(executor given, const void* owner, std::string name)
      : given_(std::move(given)), owner_(owner), name_(std::move(name)) {}

  void post(std::function<void()> work);
  // True in the thread that runs callbacks of this object.
  [[nodiscard]] bool inside() const;
  // The same, asked of the object's owner.
  static bool inside_of(const void* owner);
  // For a callback that waits for what another callback must do: runs others until done() holds, or `until`
  // comes (false). `done` must become true by way of a callback posted here. Each that waits so adds to the
  // stack; `depth` says how many do.
  bool run_until(const std::function<bool()>& done, std::optional<base::time_point> until);
  static int depth();
  // Waits until nothing is left to run, then ends the thread; another post starts one again. False: `until`
  // came first, or a callback called. Callbacks on the user's executor are not waited for.
  bool settle(base::time_point until);
  // Runs what is there, then ends the thread; called from a callback, it lets the thread end by itself.
  void stop();

private:
  void loop();
  void start_thread();  // where there is none, and one is wanted
  void run_one(std::unique_lock<std::mutex>& lock);

  executor given_;
  const void* owner_;
  const std::string name_;
  std::mutex mutex_;
  std::condition_variable wake_;             // something to run, or to end
  std::condition_variable rest_;             // nothing runs and nothing waits
  std::deque<std::function<void()>> queue_;  // guarded by mutex_, as is all below
  std::thread thread_;
  int running_ = 0;
  int leaving_ = 0;        // who waits for the thread to end, which it does when nothing is left
  bool stopping_ = false;  // for good
};

}  // namespace muster::engine
