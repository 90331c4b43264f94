// SPDX-License-Identifier: MIT
#pragma once

/// Tasks that belong together: wait for these, cancel these, and where one fails the others are pointless.
///
///     muster::task_group group;
///     auto left  = group.submit(pool, render, scene, 0, 500);
///     auto right = group.submit(pool, render, scene, 500, 1'000);
///     group.wait();                       // throws the first error; the other task was cancelled then
///     show(left.get(), right.get());
///
/// Tasks may go to several pools, of both kinds. A group may be made inside a task, and waited for there: the
/// wait helps, as future::wait does. Give such a group the task's stop token and it ends with the task:
///
///     int solve(std::stop_token stop, …) { muster::task_group inner({.stop = stop}); … }
///
/// A group that goes out of scope cancels what has not settled, and waits for that; so also where an
/// exception leaves the scope. (On threads, a task that ignores its stop token for longer than the pool's
/// grace may still run then: what it refers to must live longer.)

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <muster/detail/follower.hpp>
#include <muster/error.hpp>
#include <muster/future.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>

namespace muster {

struct task_group_options {
  /// The first task that fails cancels the rest. A task that was cancelled has not failed. False: the others
  /// go on, and wait throws the first error when all have settled.
  bool cancel_on_error = true;
  /// A request on this token cancels the group.
  std::stop_token stop{};
};

namespace detail {

/// What a task_group and its tasks share.
class group_line final : public follower {
public:
  explicit group_line(bool cancels_on_error) : cancels_on_error_(cancels_on_error) {}

  /// Throws cancelled where the group was.
  void admit();
  /// After admit, and an accepted task.
  void add(task& t);
  void cancel_group();
  /// False: `until` came first.
  [[nodiscard]] bool wait_until(std::optional<time_point> until);
  /// After that: throws the first error, or says whether the group was not cancelled; as it was new from then
  /// on.
  bool conclude();
  [[nodiscard]] std::size_t unsettled();

private:
  void settled(task_ref<> t) override;
  void settled_one() noexcept override;

  const bool cancels_on_error_;
  // Guarded by mutex_.
  std::exception_ptr first_error_{};
  bool is_cancelled_ = false;
  bool cancel_wanted_ = false;  // a task failed, and nobody has cancelled the others yet
};

}  // namespace detail

/// Any thread may submit, cancel and wait.
class task_group {
public:
  explicit task_group(task_group_options options = {})
      : line_(std::make_shared<detail::group_line>(options.cancel_on_error)), stop_(std::move(options.stop)) {
    if (stop_.stop_possible()) on_stop_.emplace(stop_, cancel_group{line_.get()});
  }
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  /// Cancels what has not settled, and waits for it.
  ~task_group();

  /// pool.submit, as a task of this group. The future is the caller's, to use or to drop. Throws what
  /// pool.submit throws, and cancelled where the group was cancelled and not waited for since.
  template <class Pool, class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto submit(Pool& pool, F&& f, Args&&... args) {
    return submit_with(pool, nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class Pool, class F, class... Args>
  auto submit(Pool& pool, const task_options& options, F&& f, Args&&... args) {
    return submit_with(pool, &options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Blocks until every task submitted so far, and by these tasks meanwhile, has settled. Then throws what
  /// the first one that failed ended with; else returns whether the group was not cancelled. The group can be
  /// used again. Throws would_deadlock inside one of its own tasks.
  bool wait() {
    (void)line_->wait_until(std::nullopt);
    return conclude();
  }
  /// The same for at most so long. None: something had not settled by then, and nothing changes.
  [[nodiscard]] std::optional<bool> wait_for(duration longest) {
    if (!line_->wait_until(detail::from_now(longest))) return std::nullopt;
    return conclude();
  }

  /// As future::cancel, for each task; more are refused until the next wait is over. Does not block.
  void cancel() { line_->cancel_group(); }
  [[nodiscard]] std::size_t unsettled() const { return line_->unsettled(); }

private:
  struct cancel_group {
    detail::group_line* line;
    void operator()() const { line->cancel_group(); }
  };

  template <class Pool, class F, class... Args>
  auto submit_with(Pool& pool, const task_options* options, F&& f, Args&&... args) {
    line_->admit();
    auto made = detail::pool_access::submit_sharing_error(pool, options, std::forward<F>(f),
                                                          std::forward<Args>(args)...);
    line_->add(future_access::task_of(made));
    return made;
  }
  bool conclude() {
    const bool is_whole = line_->conclude();
    if (stop_.stop_requested()) line_->cancel_group();  // its token has no way back
    return is_whole;
  }

  std::shared_ptr<detail::group_line> line_;
  std::stop_token stop_;
  std::optional<std::stop_callback<cancel_group>> on_stop_{};
};

}  // namespace muster
