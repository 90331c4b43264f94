// SPDX-License-Identifier: MIT
//
// The tasks of one muster::results: those under way, and those that have settled and were not read, in the
// order in which they settled. Included by <muster/results.hpp>. Any thread; shared by the stream, the tasks
// and the pools.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <muster/detail/follower.hpp>

namespace muster::detail {

/// The text of an exception, for a record; empty: there is none.
std::string text_of(const std::exception_ptr& error);
/// Throws invalid_options for 0.
std::size_t checked_ahead(std::size_t ahead);

class result_line final : public follower, public close_watcher {
public:
  /// At most `ahead` are under way or unread.
  explicit result_line(std::size_t ahead) : ahead_(ahead) {}

  /// A place for one more task of this pool. Blocks until there is one; in a worker it helps, as waiting for
  /// a future does. Throws pool_stopped when the line or the pool is closed.
  void reserve(task_home& pool);
  /// False: there is none now.
  bool try_reserve(task_home& pool);
  /// The task that was to have the place was not accepted.
  void give_back();
  /// It was: it has the place until it is taken.
  void add(task& t);

  /// The next that settled. None: the line has ended, or `until` came first.
  task_ref<> take(std::optional<time_point> until);
  /// Nothing is added any more.
  void close();
  /// The reader goes: cancels what is under way, drops what is unread, and says how many results that were.
  std::size_t leave();
  [[nodiscard]] bool has_ended();
  [[nodiscard]] std::size_t under_way();
  [[nodiscard]] std::size_t unread();

  void closed(const task_home& pool) noexcept override;
  [[nodiscard]] std::size_t unread_of(const task_home& pool) override;

private:
  struct known_pool {
    const task_home* home;
    bool is_open;
  };
  // With the lock, all of these.
  [[nodiscard]] std::size_t taken_places() const { return arriving_ + unsettled_.size() + waiting_.size(); }
  [[nodiscard]] bool is_over() const;
  known_pool& know(const task_home& pool);
  void settled(task_ref<> t) override;
  // Makes sure that we hear when it closes, and throws where it or the line has.
  void heed(std::unique_lock<std::mutex>& lock, task_home& pool);

  const std::size_t ahead_;
  // Guarded by mutex_.
  std::deque<task_ref<>> waiting_{};  // settled and unread
  std::vector<known_pool> pools_{};   // that tasks came from
  std::size_t arriving_ = 0;          // places of those that are being submitted
  bool is_closed_ = false;
  bool is_left_ = false;
};

}  // namespace muster::detail
