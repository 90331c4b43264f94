// SPDX-License-Identifier: MIT
#pragma once

/// What a thread_pool and a process_pool can do besides taking tasks. See pool.hpp. Every member function may
/// be called from any thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <muster/buffer.hpp>
#include <muster/event.hpp>
#include <muster/failing_options.hpp>
#include <muster/future.hpp>
#include <muster/map.hpp>
#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/task.hpp>

namespace muster {

namespace engine {
class engine;
}
namespace ipc {
class arena;
}

namespace detail {

struct pool_access;

/// A worker as broadcast finds it.
struct worker_place {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

}  // namespace detail

/// What one worker answers to a broadcast.
template <class R>
struct worker_future {
  unsigned worker = 0;  ///< Its slot.
  unsigned generation = 0;
  future<R> result{};
};

/// What both pools can do besides taking tasks.
class pool_base {
public:
  pool_base(const pool_base&) = delete;
  pool_base& operator=(const pool_base&) = delete;

  /// For pools made with `.start = false`, and for those that were stopped, which begin another life: options
  /// (as the last recycle left them), subscriptions and the counts of stats() stay, futures of before stay
  /// valid, workers are new. Returns when the first are ready; while a stop is under way it waits for its end
  /// first. Nothing happens where the pool is started. Throws not_ready, with the cause, when they do not
  /// come up within the ready timeout (the pool goes on trying), or when a thread of the life before still
  /// runs a task that ignores its stop token; pool_stopped when somebody stops it meanwhile; would_deadlock
  /// inside a task that the stop waits for.
  void start();

  /// Where the pool is, at one instant; what another thread does may change it right after. To submit while
  /// others stop and start it is safe: each task is accepted by one life and settled there, or refused.
  [[nodiscard]] pool_state state() const noexcept;
  [[nodiscard]] bool is_started() const noexcept { return state() == pool_state::started; }
  [[nodiscard]] bool is_stopping() const noexcept { return state() == pool_state::stopping; }
  [[nodiscard]] bool is_stopped() const noexcept { return state() == pool_state::stopped; }

  /// Blocks until no task is unsettled; the pool goes on. Throws would_deadlock inside a task of this pool.
  void wait_idle();
  /// The same for at most so long. False: not idle by then.
  [[nodiscard]] bool wait_idle_for(duration longest);

  /// From when it returns until resume(), no task begins: what runs goes on, and what workers had been handed
  /// and not begun is queued again. Submit goes on, by the policy of the queue. A thread task that waits for
  /// another of its pool may still run that one itself. Times count on: a paused pool's tasks can be late.
  /// wait_idle waits through a pause, so somebody has to end it; stop and the destructor end it themselves.
  /// Idempotent, does not block, does nothing once the pool is stopped. Before start() it holds from the
  /// start.
  void pause();
  /// Tasks begin again. Idempotent.
  void resume();

  /// Cancels the tasks that have not begun, also those that wait for another attempt; what runs goes on. Does
  /// not block: their futures settle soon.
  void cancel_queued();

  /// No more tasks: from now on submit throws pool_stopped, also in those who wait for room in the queue, and
  /// in tasks of this pool. Does not block. What was accepted is finished, however long it takes, retries
  /// included; when all has settled the workers end (event_kind::stopped). A `muster::results` that is fed by
  /// this pool ends after the last of them. Idempotent; in any state of the pool, also inside its tasks.
  /// `start` begins another life, once this one is over.
  ///
  /// wait_idle then waits for the last task, and stop for the end of the workers as well, with a deadline.
  /// The destructor does what it always does.
  void close();

  /// Refuses new tasks at once, finishes those there are, ends the workers, and returns when nothing is left.
  /// At the deadline it settles what waits as pool_stopped, tells what runs to stop, and after `grace` ends
  /// it (processes: by process_options::stop, which may take as long as its patience, and at last by SIGKILL)
  /// or reports it as stuck (threads). Idempotent; a second call may shorten the deadline. `start` begins
  /// another life.
  stop_report stop(duration deadline = 30s);
  /// stop with no deadline and no grace: every future is settled, most as pool_stopped.
  stop_report terminate();

  /// From now on there are so many workers, as by `.workers = {workers}`. Range 1..4096; for none at the
  /// moment write resize(0, n). Does not block: new workers start at once; of too many those with nothing to
  /// do end at once, then those that are busy, when their task is done. stats().workers_wanted is where the
  /// pool is going. Each change is event_kind::scaled. Throws invalid_options, and pool_stopped after stop.
  void resize(int workers) { resize(workers, workers); }
  /// The same for other bounds, as by `.workers = {.min = min, .max = max}`: min in 0..4096, max in
  /// max(1, min)..4096.
  void resize(int min, int max);

  [[nodiscard]] muster::stats stats() const;

  /// Memory of the pool's arena that a task and its owner both see (see buffer.hpp), with whatever is in it.
  /// Where the limits of arena_options are reached it waits for `patience` until something is given back,
  /// then throws arena_full; so it does at once for more than arena_options::bytes. Throws std::system_error
  /// where the system has no memory or descriptor for it.
  [[nodiscard]] buffer lease(std::size_t bytes, duration patience = duration::zero());

  /// Calls `handler` for events of this kind, on the callback executor. Returns what `off` takes. A pool that
  /// has been started may have sent its first events before: to miss none, make it with `.start = false`,
  /// call `on`, then `start`.
  subscription on(event_kind kind, event_handler handler);
  /// For events of every kind.
  subscription on(event_handler handler);
  /// A handler that runs now may still finish.
  void off(subscription which);

  /// Tasks that failed for good, the oldest first: the last of them, as many as the option `dead_letters`
  /// says. By default none is kept.
  [[nodiscard]] std::vector<dead_letter> dead_letters() const;
  /// Runs such a task once more, as a new task with the same function, arguments, id, label, priority and
  /// retry, and takes it off the list. Nobody waits for its result: it is like a post. Returns its number. An
  /// id that was set aside (quarantine_options) no longer is. Throws invalid_call where there is none of this
  /// number or it cannot run again, and what submit throws; then it is still on the list.
  std::uint64_t resubmit(std::uint64_t task);
  /// Takes one off the list. False: there is none of this number.
  bool discard(std::uint64_t task);

  /// The options' name.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

protected:
  pool_base() = default;
  ~pool_base();

  void adopt(std::unique_ptr<engine::engine> made, const close_options& close, duration ready_timeout,
             std::string pool_name, std::shared_ptr<ipc::arena> memory);
  void start_now();                      // start, without waiting
  bool start_as(std::uint64_t edition);  // the same, with these settings; false: it had been started
  void wait_ready();                     // the rest of start
  /// `edition`: a number for changed settings of the new workers; 0: theirs are those in force.
  recycle_report recycle_workers(std::optional<unsigned> slot, std::uint64_t edition,
                                 const recycle_options& options);
  /// Hands a task over: throws what submit throws. `again`: it can run more than once.
  void accept(detail::task_ref<> task, const task_options* options, bool again,
              std::shared_ptr<detail::chunk_line> chunks = {});
  /// The same for tasks of one kind, one after the other; `accepted` counts them. Where it throws, the next
  /// one was refused.
  void accept_together(std::span<detail::task_ref<>> tasks, std::size_t& accepted,
                       const task_options* options, bool again);
  /// For broadcast: the workers there are, once the first are ready; throws what submit throws.
  std::vector<detail::worker_place> everyone();
  /// Hands the task to this worker alone. Where that is not possible any more the task says why.
  void give(detail::task_ref<> task, const task_options* options, detail::worker_place to);

  detail::task_ref<> resubmit_for(std::uint64_t task, const std::type_info& result);
  /// For the blocks of a call to other processes: copies those that somebody else holds or can write.
  void make_own(std::vector<detail::block_ref>& blocks);

  std::size_t window_ = 1'000;  // tasks that map keeps in flight
  /// The same where several elements make one; throws invalid_options.
  [[nodiscard]] std::size_t window_of(const task_options& options) const;
  const std::shared_ptr<detail::pool_life> life_ = std::make_shared<detail::pool_life>();

private:
  friend struct detail::pool_access;
  // Puts the options into the task.
  void prepare(detail::task& t, const task_options* options);

  std::unique_ptr<engine::engine> engine_;
  std::shared_ptr<ipc::arena> arena_;  // shared with what it has lent
  close_options close_{};
  duration ready_timeout_ = 10s;
  std::string name_;
};

}  // namespace muster
