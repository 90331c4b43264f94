// SPDX-License-Identifier: MIT
#pragma once

/// The two pools. `thread_pool` runs tasks on threads of this process, `process_pool` in supervised processes
/// of the same program; the calls are the same. Every member function may be called from any thread.
///
///     muster::process_pool pool({.workers = {4}});
///     muster::future<int> a = pool.submit(square, 7);
///     for (const photo& p : pool.map(shrink, paths, 200)) show(p);
///
/// What a task may be:
///
/// - on a thread_pool: anything that can be called, moved in with its arguments. std::ref passes a reference;
///   what it refers to must outlive the task, which may outlive its future.
/// - on a process_pool: a function, or a lambda or function object without data. Arguments and result are
///   values that can cross (see codec.hpp); everything else is refused when it is compiled, with a sentence.
///
/// On both, muster::unique_fd passes an open file (see handle.hpp), muster::buffer large data without copying
/// it (see buffer.hpp), and a first parameter of type
/// std::stop_token or muster::context& is supplied by the pool.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <muster/buffer.hpp>
#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/detail/pool_tasks.hpp>
#include <muster/error.hpp>
#include <muster/event.hpp>
#include <muster/future.hpp>
#include <muster/handle.hpp>
#include <muster/map.hpp>
#include <muster/module_calls.hpp>
#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/stream.hpp>
#include <muster/task.hpp>

namespace muster {

namespace engine {
class engine;
}
namespace module {
class module_table;
}
namespace process {
class process_crew;
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

namespace detail {

/// submit, post, map and the calls of modules in terms of Pool::make_task, which turns a call into a task.
template <class Pool>
class pool_calls : public pool_base {
  pool_calls() = default;
  friend Pool;
  friend struct pool_access;

public:
  /// Runs f(args...) on a worker. Blocks only while the queue is full (queue_options::when_full). Throws, and
  /// then the task was not accepted:
  ///
  /// - not_started, pool_stopped, queue_full, enqueue_timeout, memory_pressure, would_deadlock;
  /// - circuit_open, quarantined: where the pool's options ask for that;
  /// - invalid_options: the task's options are out of range, or it is to be retried and has an argument that
  ///   can only be moved;
  /// - for a process pool, invalid_call where the function's module cannot be named, encode_error where an
  ///   argument has no encoding (it nests too deeply, it holds more than 16 descriptors), and
  ///   std::system_error where a descriptor cannot be duplicated.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto submit(F&& f, Args&&... args) {
    return submit_with(nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same with options: submit({.priority = muster::priority::high}, f, 1).
  template <class F, class... Args>
  auto submit(const task_options& options, F&& f, Args&&... args) {
    return submit_with(&options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// submit(f, element, extra...) for each element of a range, together: the queue is locked once for many of
  /// them, and workers are woken once. The futures are in the order of the input. Where one is refused, the
  /// futures of it and of all behind it fail with the reason; it throws where that is the first, and what
  /// reading the input throws. For a bounded number of tasks under way see `map`.
  template <class F, class Range, class... Extra>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto submit_bulk(F f, Range&& inputs, Extra... extra) {
    return submit_bulk_with(nullptr, f, inputs, extra...);
  }
  /// The same with options, which each task gets.
  template <class F, class Range, class... Extra>
  auto submit_bulk(const task_options& options, F f, Range&& inputs, Extra... extra) {
    return submit_bulk_with(&options, f, inputs, extra...);
  }

  /// submit without a result. What the task throws becomes an event (event_kind::task_failed), or ends the
  /// program if on_post_error says so.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  void post(F&& f, Args&&... args) {
    post_with(nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  void post(const task_options& options, F&& f, Args&&... args) {
    post_with(&options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Runs f, which takes a muster::yielder<T>& first, and returns a stream<T, R> of what it yields and its
  /// result (see stream.hpp). Such a task runs once: the pool's retries do not apply to it. Throws what
  /// submit throws, and invalid_options where the task's own options ask for a retry.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto stream(F&& f, Args&&... args) {
    return stream_with(nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same with options.
  template <class F, class... Args>
  auto stream(const task_options& options, F&& f, Args&&... args) {
    return stream_with(&options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Calls f(element, extra...) for each element and gives the results in the order of the input, as a range
  /// to read once (see map.hpp, also for how to go on after an element that failed). Elements are submitted a
  /// bounded number ahead of the reader. An element whose task failed throws when it is read. `inputs` may be
  /// what another map gives (see map.hpp), and must outlive the result unless it is moved in. What was not
  /// read when the result is destroyed is cancelled. Throws what submit throws when not even the first
  /// element is accepted.
  template <class F, class Range, class... Extra>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto map(F f, Range&& inputs, Extra... extra) {
    return map_with(false, nullptr, std::move(f), std::forward<Range>(inputs), std::move(extra)...);
  }
  /// The same with options, which every element's task gets. Its times count from when that element is
  /// submitted; to an `id` its place in the input is added: "resize[0]", "resize[1]" …
  template <class F, class Range, class... Extra>
  auto map(const task_options& options, F f, Range&& inputs, Extra... extra) {
    return map_with(false, &options, std::move(f), std::forward<Range>(inputs), std::move(extra)...);
  }
  /// As map, but in the order in which the tasks are done.
  template <class F, class Range, class... Extra>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto map_unordered(F f, Range&& inputs, Extra... extra) {
    return map_with(true, nullptr, std::move(f), std::forward<Range>(inputs), std::move(extra)...);
  }
  template <class F, class Range, class... Extra>
  auto map_unordered(const task_options& options, F f, Range&& inputs, Extra... extra) {
    return map_with(true, &options, std::move(f), std::forward<Range>(inputs), std::move(extra)...);
  }

  /// Runs f(args...) once on every worker there is now, and returns a future for each, by slot: to load a
  /// configuration, to empty a cache, to ask each what it has. Waits until the first workers are ready. Each
  /// worker runs it before what is queued, after the task it has; no other worker may do it for one, and it
  /// is not retried. It needs no room in the queue. Arguments are copied for each.
  ///
  /// Workers that start later do not run it: what every worker shall do is process_options::init. A worker
  /// that dies first gives unexpected_exit; one that ends first because the pool shrinks or replaces it, or
  /// stops by force, gives cancelled or pool_stopped. Throws not_started and pool_stopped, and
  /// invalid_options where workers serve one task (lifetime::per_task).
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto broadcast(F f, Args... args) {
    return broadcast_with(nullptr, f, args...);
  }
  /// The same with options; `priority`, `key`, `queue_timeout` and `retry` mean nothing here.
  template <class F, class... Args>
  auto broadcast(const task_options& options, F f, Args... args) {
    return broadcast_with(&options, f, args...);
  }

  using pool_base::resubmit;
  /// resubmit with a future for the result, whose type R has to be that of the first time:
  ///     muster::future<photo> again = pool.resubmit<photo>(letter.task);
  template <class R>
  future<R> resubmit(std::uint64_t task) {
    return future_access::make<R>(resubmit_for(task, typeid(R)));
  }

  /// Calls a function of a module (see module.hpp), which is loaded in the worker:
  ///     pool.call<std::string>("./libphotos.so", "shrink", path, 200)
  /// The types of the arguments must be those of the parameters exactly; a proxy converts them. The module's
  /// path is resolved now, against the working directory, as find_module says. Throws what submit throws, and
  /// invalid_call when a name without a slash is not found. The future throws invalid_call when the module
  /// cannot be loaded, has no such function, or it has another signature.
  template <class R, class... Args>
  future<R> call(const std::string& path, const std::string& function, Args&&... args) {
    const auto submit_parts = [this](auto&&... parts) {
      return this->submit(std::forward<decltype(parts)>(parts)...);
    };
    return submit_module_call<R, call_parameter_t<Args>...>(submit_parts, find_module(path), function,
                                                            std::forward<Args>(args)...);
  }
  /// The same with options.
  template <class R, class... Args>
  future<R> call(const task_options& options, const std::string& path, const std::string& function,
                 Args&&... args) {
    const auto submit_parts = [&](auto&&... parts) {
      return this->submit(options, std::forward<decltype(parts)>(parts)...);
    };
    return submit_module_call<R, call_parameter_t<Args>...>(submit_parts, find_module(path), function,
                                                            std::forward<Args>(args)...);
  }
  /// A function object that calls a function of a module:
  ///     auto shrink = pool.proxy<photo(std::string, int)>("./libphotos.so", "shrink");
  /// The path is resolved now, as in call, and the module loaded at the first call. Must not outlive the
  /// pool.
  template <class Function>
  module_proxy<Pool, Function> proxy(const std::string& path, std::string function) {
    return module_proxy<Pool, Function>(static_cast<Pool&>(*this), find_module(path), std::move(function));
  }
  /// The same with options, which each of its calls gets.
  template <class Function>
  module_proxy<Pool, Function> proxy(const task_options& options, const std::string& path,
                                     std::string function) {
    return module_proxy<Pool, Function>(static_cast<Pool&>(*this), find_module(path), std::move(function),
                                        options);
  }

private:
  template <class F>
  static consteval void check_not_a_stream() {
    static_assert(std::is_void_v<chunk_t<F>>,
                  "muster: this function yields chunks, which only pool.stream hands to a reader.");
  }
  template <class F, class... Args>
  auto stream_with(const task_options* options, F&& f, Args&&... args) {
    using chunk = chunk_t<std::decay_t<F>>;
    static_assert(!std::is_void_v<chunk>,
                  "muster: pool.stream needs a function that takes a muster::yielder<T>& first and names T.");
    if constexpr (!std::is_void_v<chunk>) {
      auto line = std::make_shared<chunk_line>(options != nullptr ? options->chunks_ahead
                                                                  : task_options().chunks_ahead);
      auto made = Pool::make_task(static_cast<Pool&>(*this), std::forward<F>(f), std::forward<Args>(args)...);
      using result = typename decltype(made)::result;
      auto future = future_access::make<result>(task_ref<>(made.task));
      accept(std::move(made.task), options, true, line);
      line->follow(future_access::task_of(future));
      return muster::stream<chunk, result>(std::move(future), std::move(line));
    }
  }
  template <class F, class... Args>
  auto broadcast_with(const task_options* options, const F& f, const Args&... args) {
    check_not_a_stream<F>();
    using made_type = decltype(Pool::make_task(static_cast<Pool&>(*this), f, args...));
    using result = typename made_type::result;
    std::vector<worker_future<result>> all;
    for (const worker_place at : everyone()) {
      made_type made = Pool::make_task(static_cast<Pool&>(*this), f, args...);
      all.push_back({at.slot, at.generation, future_access::make<result>(task_ref<>(made.task))});
      give(std::move(made.task), options, at);
    }
    return all;
  }
  // SharesError: somebody beside the future will look how the task failed.
  template <bool SharesError = false, class F, class... Args>
  auto submit_with(const task_options* options, F&& f, Args&&... args) {
    check_not_a_stream<std::decay_t<F>>();
    auto made = Pool::make_task(static_cast<Pool&>(*this), std::forward<F>(f), std::forward<Args>(args)...);
    if constexpr (SharesError) {
      made.task->extras = std::make_unique<task_extras>();
      made.task->extras->shares_error = true;
    }
    auto result = future_access::make<typename decltype(made)::result>(task_ref<>(made.task));
    accept(std::move(made.task), options, made.again);
    return result;
  }
  template <class F, class Range, class... Extra>
  auto submit_bulk_with(const task_options* options, const F& f, Range& inputs, const Extra&... extra) {
    check_not_a_stream<F>();
    using element = typename input_of<Range&>::element;
    using made_type =
        decltype(Pool::make_task(static_cast<Pool&>(*this), f, std::declval<element>(), extra...));
    using result = typename made_type::result;
    std::vector<task_ref<>> tasks;
    std::vector<future<result>> all;
    bool again = true;
    for (auto&& each : inputs) {
      made_type made = Pool::make_task(static_cast<Pool&>(*this), f, static_cast<element>(each), extra...);
      again = made.again;
      all.push_back(future_access::make<result>(task_ref<>(made.task)));
      tasks.push_back(std::move(made.task));
    }
    std::size_t accepted = 0;
    try {
      accept_together(tasks, accepted, options, again);
    } catch (...) {
      if (accepted == 0) throw;
      for (std::size_t at = accepted; at < tasks.size(); ++at)
        settle_with_error(*tasks[at], std::current_exception());
    }
    return all;
  }
  template <class F, class... Args>
  void post_with(const task_options* options, F&& f, Args&&... args) {
    check_not_a_stream<std::decay_t<F>>();
    auto made = Pool::make_task(static_cast<Pool&>(*this), std::forward<F>(f), std::forward<Args>(args)...);
    made.task->mark(task::is_post);
    accept(std::move(made.task), options, made.again);
  }
  template <class F, class Range, class... Extra>
  auto map_with(bool as_done, const task_options* options, F f, Range&& inputs, Extra... extra);
  template <class R, class F, class Range, class... Extra>
  class map_feed;
};

/// Throws invalid_options for 0, which as an option means workers on demand.
worker_options fixed_size(int workers);

/// For what is built on pools: results.hpp, task_group.hpp, pool_group.hpp.
struct pool_access {
  static task_home& home(pool_base& pool);
  /// The first half of stop: does not block. Throws would_deadlock inside a task of this pool.
  static void begin_stop(pool_base& pool, time_point deadline);
  /// Submits a task whose error others read beside its future.
  template <class Pool, class F, class... Args>
  static auto submit_sharing_error(Pool& pool, const task_options* options, F&& f, Args&&... args) {
    return static_cast<pool_calls<Pool>&>(pool).template submit_with<true>(options, std::forward<F>(f),
                                                                           std::forward<Args>(args)...);
  }
};

}  // namespace detail

/// Workers that are threads of this process. A task that crashes ends the program; use process_pool for
/// those.
class thread_pool : public detail::pool_calls<thread_pool> {
public:
  /// Starts the workers; does not wait for them. Throws invalid_options with every problem.
  explicit thread_pool(thread_options options = {});
  /// So many workers, at least 1; more than that is said with options.
  explicit thread_pool(int workers) : thread_pool(thread_options{.workers = detail::fixed_size(workers)}) {}
  /// Drains or cancels, as thread_options::close says; what is still pending after its patience is named on
  /// standard error. Waits for tasks that ignore their stop token. Inside a task of its own pool it can only
  /// wait for itself: the program then ends by std::terminate.
  ~thread_pool() = default;

private:
  friend class detail::pool_calls<thread_pool>;
  template <class F, class... Args>
  using call_of = detail::closure_call<F, Args...>;
  template <class F, class... Args>
  static auto make_task(thread_pool& pool, F&& f, Args&&... args);
};

/// Workers that are processes of this program: whatever one does to itself costs the tasks it had begun, and
/// nothing else. Needs muster::init at the beginning of main.
class process_pool : public detail::pool_calls<process_pool> {
public:
  /// Starts the workers; does not wait for them. Throws invalid_options with every problem, not_started when
  /// muster::init was not called, not_ready when no worker process can be made at all.
  explicit process_pool(process_options options = {});
  /// So many workers, at least 1; more than that is said with options.
  explicit process_pool(int workers)
      : process_pool(process_options{.workers = detail::fixed_size(workers)}) {}
  /// As ~thread_pool, but what is left after the patience is killed.
  ~process_pool() = default;

  using pool_calls::start;
  /// As start, with changed settings for the workers: another directory, other arguments, environment, init
  /// or limits. They are the pool's from then on. Throws as start, and invalid_options with every problem of
  /// the changed settings, or where the pool is started: then recycle changes them.
  void start(const worker_changes& changes);

  /// Replaces every worker there is by a new one: after a module, a configuration file or what `init` reads
  /// has changed. Each new worker starts first; when it is ready the old one takes no more tasks, finishes
  /// the one it runs, and ends. No task is lost or refused for it. Until then the pool has up to
  /// recycle_options::at_once workers more, also than workers.max.
  ///
  /// Blocks until the old workers are gone, at most until the deadline; what was begun then goes on, and the
  /// others stay. Where a new worker does not come up, nobody else is replaced, and the report says why.
  /// Calls are served one after the other. Throws not_started, pool_stopped, invalid_options.
  recycle_report recycle(const recycle_options& options = {}) {
    return options.canary.get() == nullptr ? recycle_workers(std::nullopt, 0, options)
                                           : recycle_changed(std::nullopt, {}, options);
  }
  /// The same for the worker in this slot. Its replacement has another slot.
  recycle_report recycle(unsigned slot, const recycle_options& options = {}) {
    return options.canary.get() == nullptr ? recycle_workers(slot, 0, options)
                                           : recycle_changed(slot, {}, options);
  }
  /// Replaces every worker by one with changed settings: another directory, other arguments, environment,
  /// init or limits. They are the pool's from then on: workers that start later have them too. Where there is
  /// no worker at the moment, the next ones have them, untried.
  ///
  /// All or nothing: where a new worker does not come up, its canary fails, or the deadline passes before all
  /// are up, the workers that were not replaced stay with the old settings, those that were are replaced once
  /// more by workers with the old settings, after this call has returned, and later ones have those as well.
  /// `rolled_back` then is true. No task is lost or refused in either case, but tasks may meet workers of
  /// both kinds meanwhile. While another change is under way, this call first waits for its end. Throws as
  /// recycle, and invalid_options with every problem of the changed settings.
  recycle_report recycle(const worker_changes& changes, const recycle_options& options = {}) {
    return recycle_changed(std::nullopt, changes, options);
  }

protected:
  /// For a kind of pool that is built on this one. What it has to put into changed settings of its workers,
  /// or to refuse there by throwing invalid_options; of a start, the second is the default. Lives as long as
  /// the pool.
  using change_adapter = std::function<void(worker_changes&, const recycle_options&)>;
  process_pool(process_options options, change_adapter adapt);

private:
  friend class detail::pool_calls<process_pool>;
  template <class F, class... Args>
  using call_of = detail::crossing_call_to<F, Args...>;
  template <class F, class... Args>
  static auto make_task(process_pool& pool, F&& f, Args&&... args);
  recycle_report recycle_changed(std::optional<unsigned> slot, const worker_changes& changes,
                                 const recycle_options& options);
  // Finds the names by which workers know this code; throws invalid_call where it has none.
  void name_code(detail::crossing_call& call, const void* thunk, const void* target);
  static void take_over(detail::bytes& to, writer& arguments);

  module::module_table* names_ = nullptr;  // lives with the engine
  process::process_crew* crew_ = nullptr;  // the same
  std::shared_ptr<detail::block_source> arguments_{};
  change_adapter adapt_;        // may be empty
  std::mutex recycling_;        // held while settings change
  process_options settings_{};  // as the last recycle left them; guarded by recycling_
};

// ------------------------------------------------------------------------------------------------
// implementation

template <class F, class... Args>
auto thread_pool::make_task(thread_pool&, F&& f, Args&&... args) {
  detail::check_closure<std::decay_t<F>, std::decay_t<Args>...>();
  using traits = detail::closure_traits<std::decay_t<F>, std::decay_t<Args>...>;
  using task_type = typename traits::task_type;
  auto* made = new task_type(std::forward<F>(f), std::forward<Args>(args)...);
  if constexpr (!task_type::plain) made->mark(detail::task::wants_stop);
  return detail::made_task<typename traits::result>{detail::task_ref<>::adopt(made), task_type::copyable};
}

template <class F, class... Args>
auto process_pool::make_task(process_pool& pool, F&& f, Args&&... args) {
  using function = std::decay_t<F>;
  detail::check_call<function, Args...>();
  using signature = detail::signature<function, Args...>;
  using result = typename signature::result;
  writer arguments(*pool.arguments_, detail::largest_in_ring);
  detail::crossing_call crossing;
  if constexpr (signature::why == detail::refusal::none) {
    detail::encode_arguments<function>(arguments, std::forward<Args>(args)...);
    pool.name_code(crossing, reinterpret_cast<const void*>(&detail::thunk<function, Args...>::run),
                   detail::target_of<function>(f));
    take_over(crossing.data, arguments);
    if (!arguments.handles().empty())
      crossing.handles = std::make_unique<std::vector<unique_fd>>(std::move(arguments.handles()));
    if (!arguments.blocks().empty()) {
      pool.make_own(arguments.blocks());
      crossing.blocks = std::make_unique<std::vector<detail::block_ref>>(std::move(arguments.blocks()));
    }
  }
  auto* made = new detail::call_task<result>(std::move(crossing));
  if constexpr (signature::injected != detail::injection::nothing) made->mark(detail::task::wants_stop);
  if (made->crossing.handles) made->mark(detail::task::has_handles);
  return detail::made_task<result>{detail::task_ref<>::adopt(made), true};
}

/// The input of one map, the function to call with each element, and where to submit it.
template <class Pool>
template <class R, class F, class Range, class... Extra>
class detail::pool_calls<Pool>::map_feed final : public map_source<R> {
public:
  map_feed(Pool& pool, const task_options* options, F f, Range&& inputs, Extra... extra)
      : pool_(pool),
        life_(pool.life_),
        function_(std::move(f)),
        extra_(std::move(extra)...),
        range_(std::forward<Range>(inputs)),
        at_(std::begin(range_)) {
    if (options == nullptr) return;
    options_ = *options;
    id_ = options->id;
  }

  bool ready() override {
    if constexpr (reads_a_map) {
      if (!made_.empty()) return true;
      map_state<typename std::remove_reference_t<Range>::iterator::value_type>* other =
          map_access::state_of(range_);
      return other == nullptr || other->ready();
    }
    return true;
  }
  bool ring(const std::shared_ptr<chain_bell>& bell) override {
    if constexpr (reads_a_map)
      if (auto* other = map_access::state_of(range_)) other->ring(bell);
    return reads_a_map;
  }

  std::optional<future<R>> next(std::exception_ptr& refused) override {
    if (made_.empty() && ended_) std::rethrow_exception(std::exchange(ended_, nullptr));
    if (made_.empty() && at_ == std::end(range_)) return std::nullopt;
    const visit inside(*life_);
    if (made_.empty()) make();
    auto result = future_access::make<R>(made_.front());
    try {
      pool_.accept(made_.front(), options_ ? &*options_ : nullptr, again_);
    } catch (const error& e) {
      const auto code = e.code();
      if (code != error_code::queue_full && code != error_code::enqueue_timeout &&
          code != error_code::would_deadlock && code != error_code::memory_pressure)
        throw;
      refused = std::current_exception();
      return std::nullopt;
    }
    made_.pop_front();
    return result;
  }

  void next_together(std::size_t most, std::vector<future<R>>& into) override {
    if (reads_a_map || options_) return;
    const visit inside(*life_);
    try {
      while (made_.size() < most && !ended_ && at_ != std::end(range_)) make();
    } catch (...) {
      ended_ = std::current_exception();  // what is made comes first
    }
    std::vector<task_ref<>> tasks(made_.begin(), made_.end());
    std::size_t accepted = 0;
    try {
      pool_.accept_together(tasks, accepted, nullptr, again_);
    } catch (...) {  // `next` will meet it again
    }
    for (; accepted > 0; --accepted) {
      into.push_back(future_access::make<R>(std::move(made_.front())));
      made_.pop_front();
    }
  }

private:
  static constexpr bool reads_a_map = is_map<std::remove_cvref_t<Range>>;
  struct visit {
    explicit visit(pool_life& pool) : life(pool) {
      if (!life.enter()) throw pool_stopped("the pool that this map submits to is gone");
    }
    visit(const visit&) = delete;
    ~visit() { life.leave(); }
    pool_life& life;
  };
  // Kept until it is accepted, so that each element is taken from the input once.
  void make() {
    auto made = std::apply(
        [this](const auto&... extra) {
          return Pool::make_task(pool_, std::as_const(function_),
                                 static_cast<typename input_of<Range>::element>(*at_), extra...);
        },
        extra_);
    again_ = made.again;
    made_.push_back(std::move(made.task));
    ++at_;
    if (!id_.empty()) options_->id = id_ + "[" + std::to_string(index_++) + "]";
  }

  Pool& pool_;
  const std::shared_ptr<pool_life> life_;
  F function_;
  std::tuple<Extra...> extra_;
  Range range_;  // a reference where an lvalue was given
  decltype(std::begin(std::declval<Range&>())) at_;
  std::deque<task_ref<>> made_{};  // of the elements before at_ that were not accepted yet
  bool again_ = true;              // they can run more than once
  std::exception_ptr ended_{};     // why no more can be made
  std::optional<task_options> options_{};
  std::string id_{};  // as it was given
  std::size_t index_ = 0;
};

template <class Pool>
template <class F, class Range, class... Extra>
auto detail::pool_calls<Pool>::map_with(bool as_done, const task_options* options, F f, Range&& inputs,
                                        Extra... extra) {
  using element = typename detail::input_of<Range>::element;
  using call = typename Pool::template call_of<F, element, const Extra&...>;
  if constexpr (!call::allowed) {
    return map_range<void>();
  } else if constexpr (std::is_void_v<typename call::result>) {
    static_assert(!std::is_void_v<typename call::result>,
                  "muster: map needs a function with a result; use post, then wait_idle.");
    return map_range<void>();
  } else {
    using result = typename call::result;
    return map_range<result>(std::make_unique<map_state<result>>(
        std::make_unique<map_feed<result, F, Range, Extra...>>(static_cast<Pool&>(*this), options,
                                                               std::move(f), std::forward<Range>(inputs),
                                                               std::move(extra)...),
        window_, as_done));
  }
}

}  // namespace muster
