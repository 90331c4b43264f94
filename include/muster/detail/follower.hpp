// SPDX-License-Identifier: MIT
//
// What results.hpp, task_group.hpp and maps of maps are made of: somebody who follows tasks, of any pools,
// until they settle. Any thread. Always owned by a shared_ptr, which each task that is followed has a share
// of.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <muster/task.hpp>

namespace muster::detail {

/// Hears when a pool takes no more tasks. Never called under a lock of the pool.
class close_watcher {
public:
  virtual void closed(const task_home& pool) noexcept = 0;
  /// How many results of this pool's tasks it keeps that nobody has read.
  [[nodiscard]] virtual std::size_t unread_of(const task_home& pool) = 0;

protected:
  ~close_watcher() = default;
};

class follower : public std::enable_shared_from_this<follower> {
public:
  follower(const follower&) = delete;
  /// An accepted task. `settled` is called once, where it settles, or here where it has.
  void follow(task& t);
  /// Cancels what has not settled. Does not block.
  void cancel_all();

protected:
  follower() = default;
  virtual ~follower() = default;
  /// With mutex_: for a few instructions that never block.
  virtual void settled(task_ref<> t) = 0;
  /// After that, without it.
  virtual void settled_one() noexcept {}
  /// With the lock, which it releases meanwhile: blocks until done() holds. In a worker of a pool of tasks
  /// that are followed it helps, as future::wait does, and throws would_deadlock as that does. False: `until`
  /// came first.
  bool wait(std::unique_lock<std::mutex>& lock, std::optional<time_point> until,
            const std::function<bool()>& done);

  std::mutex mutex_;
  std::condition_variable changed_;  // with mutex_: something settled, or what wait asks for did
  std::map<std::uint64_t, task_ref<>> unsettled_;  // in the order in which they came; guarded by mutex_

private:
  struct mark;
  std::uint64_t last_ = 0;  // guarded by mutex_
};

}  // namespace muster::detail
