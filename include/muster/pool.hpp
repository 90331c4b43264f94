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
#include <muster/pool_base.hpp>
#include <muster/stats.hpp>
#include <muster/stream.hpp>
#include <muster/task.hpp>

namespace muster {

namespace module {
class module_table;
}
namespace process {
class process_crew;
}

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
    if constexpr (SharesError) made.task->own_extras().shares_error = true;
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
  // Options: a pointer to them, or nullptr.
  template <class Options, class F, class Range, class... Extra>
  auto map_with(bool as_done, Options options, F f, Range&& inputs, Extra... extra);
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
  template <class F, class Element, class... Extra>
  class frame_maker;
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
  template <class F, class Element, class... Extra>
  class frame_maker;
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

}  // namespace muster

#include <muster/detail/framed_map.hpp>
#include <muster/detail/map_feed.hpp>
