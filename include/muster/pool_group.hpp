// SPDX-License-Identifier: MIT
#pragma once

/// Several pools behind one name each: tasks for the processor here, those that wait for disks there, those
/// that may crash in processes of their own.
///
///     muster::pool_group pools({
///         .threads      = {{"cpu", {.workers = {4}}}, {"io", {.workers = {32}}}},
///         .processes    = {{"untrusted", {.workers = {2}, .limits = {.memory = 512_MiB}}}},
///         .default_pool = "cpu",
///     });
///     auto size = pools.submit("io", file_size, path);        // on whichever kind of pool "io" is
///     auto text = pools.thread("cpu").submit([&] { return render(page); });
///
/// Which kind a pool is, is only known at run time where it is found by its name. So `submit` by name takes
/// what both kinds take: a function or a lambda without captures, with arguments and a result that can cross
/// to another process (see pool.hpp). For anything else ask for the pool itself, by `thread` or `process`:
/// that is typed.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <muster/error.hpp>
#include <muster/future.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>
#include <muster/stats.hpp>

namespace muster {

struct pool_group_options {
  /// By name. A pool whose options have no name of their own is called as it is here.
  std::map<std::string, thread_options> threads{};
  std::map<std::string, process_options> processes{};
  /// Where tasks of a type go that no pool is named for. std::nullopt: they are refused with unknown_pool.
  std::optional<std::string> default_pool{};
  /// From the type of a task to the name of a pool, where they are not the same. Runs in the submitting
  /// thread, any; what it throws leaves submit. What it returns may be unknown as well.
  std::function<std::string(std::string_view type)> route{};
};

/// Three pools of threads: "cpu" with 4, "io" with 8, "memory" with 2; what is of another type goes to "cpu".
/// A beginning, to be changed to your numbers.
pool_group_options specialised_pools();

/// What stop did to each, and to all.
struct group_stop_report {
  stop_report all{};  ///< Sums, and `forced` where one was. Of `stuck`, see each pool's.
  std::map<std::string, stop_report> pools{};
};

class pool_group {
public:
  /// Makes all pools, or none: throws invalid_options with every problem of every pool, and what making a
  /// pool throws. The set of pools does not change afterwards, so any thread may use it.
  explicit pool_group(pool_group_options options);
  pool_group(const pool_group&) = delete;
  pool_group& operator=(const pool_group&) = delete;
  /// Closes all, so that they finish side by side, then destroys one after the other, each as its
  /// close_options say.
  ~pool_group();

  /// Runs f(args...) on the pool for this type of task: that of this name, or the one `route` says, else the
  /// default. Throws unknown_pool where there is none, and what that pool's submit throws.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto submit(std::string_view type, F&& f, Args&&... args) {
    return submit_with(type, nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same with options.
  template <class F, class... Args>
  auto submit(std::string_view type, const task_options& options, F&& f, Args&&... args) {
    return submit_with(type, &options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// The same where the type is the task's label (task_options::label).
  template <class F, class... Args>
  auto submit(const task_options& options, F&& f, Args&&... args) {
    return submit_with(options.label, &options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// The pool of exactly this name and kind; throws unknown_pool, without asking `route` or the default.
  [[nodiscard]] thread_pool& thread(std::string_view name);
  [[nodiscard]] process_pool& process(std::string_view name);
  /// What both kinds can do.
  [[nodiscard]] pool_base& pool(std::string_view name);
  /// The name of the pool where tasks of this type go; throws unknown_pool.
  [[nodiscard]] std::string pool_for(std::string_view type) const;
  [[nodiscard]] std::vector<std::string> names() const;

  /// start, wait_idle, close, stop and stats of all. wait_idle returns when no pool has an unsettled task,
  /// also where tasks of one pool submit to another.
  void start();
  void wait_idle();
  void close();
  /// Stops all side by side within one deadline: see pool_base::stop.
  group_stop_report stop(duration deadline = 30s);
  [[nodiscard]] std::map<std::string, muster::stats> stats() const;

private:
  using any_pool = std::variant<std::unique_ptr<thread_pool>, std::unique_ptr<process_pool>>;

  any_pool& at(const std::string& name) { return pools_.find(name)->second; }
  [[nodiscard]] static pool_base& base_of(const any_pool& any);
  [[noreturn]] void throw_unknown(std::string_view name, const std::string& what) const;

  template <class F, class... Args>
  auto submit_with(std::string_view type, const task_options* options, F&& f, Args&&... args) {
    using crossing = detail::crossing_call_to<std::decay_t<F>, Args...>;
    using local = detail::closure_call<std::decay_t<F>, Args...>;
    static_assert(
        std::same_as<typename crossing::result, typename local::result>,
        "muster: this gives another result in a process than on a thread; ask the group for the pool "
        "itself.");
    const auto submit_to = [&](auto& to) -> future<typename crossing::result> {
      return options != nullptr ? to->submit(*options, std::forward<F>(f), std::forward<Args>(args)...)
                                : to->submit(std::forward<F>(f), std::forward<Args>(args)...);
    };
    return std::visit(submit_to, at(pool_for(type)));
  }

  std::map<std::string, any_pool, std::less<>> pools_;
  std::optional<std::string> default_pool_;
  std::function<std::string(std::string_view)> route_;
};

}  // namespace muster
