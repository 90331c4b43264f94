// SPDX-License-Identifier: MIT
#pragma once

/// Functions of yours that run in the workers beside tasks.

#include <chrono>
#include <functional>
#include <type_traits>

namespace muster {

using duration = std::chrono::nanoseconds;

/// A function that runs in a worker process, named there as a task's is: a plain function or a captureless
/// lambda.
class init_function {
public:
  init_function() = default;
  init_function(void (*function)()) : function_(function) {}  // NOLINT(google-explicit-constructor)
  template <class F>
    requires(std::is_empty_v<F> && std::is_convertible_v<F, void (*)()>)
  init_function(F function) : function_(function) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] auto get() const { return function_; }

private:
  void (*function_)() = nullptr;
};

/// A function that an idle worker process runs at each health check: a plain function or a captureless
/// lambda. False, or an exception: the worker is not well.
class check_function {
public:
  check_function() = default;
  check_function(bool (*function)()) : function_(function) {}  // NOLINT(google-explicit-constructor)
  template <class F>
    requires(std::is_empty_v<F> && std::is_convertible_v<F, bool (*)()>)
  check_function(F function) : function_(function) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] auto get() const { return function_; }

private:
  bool (*function_)() = nullptr;
};

/// In each worker thread, on that thread. They may be called in several workers at once.
struct thread_hooks {
  /// Before its first task. An exception from it means that the worker did not come up.
  std::function<void()> init{};
  /// After its last task, when it ends because it was told to. Stop waits for it. What it throws is reported
  /// by event_kind::error.
  std::function<void()> close{};
  /// While the worker is idle, each time it has been so for another `keep_alive_every`: to keep connections
  /// and caches warm. A task that comes meanwhile goes to another worker, or waits for it. What it throws is
  /// reported by event_kind::error, and the worker lives on.
  std::function<void()> keep_alive{};
  /// At least 1 ms.
  duration keep_alive_every = std::chrono::seconds(30);
};

/// In each worker process, on the thread that runs tasks. `init` is in process_options.
struct process_hooks {
  /// After its last task, when it ends in peace: not when it crashes or is killed. It has as long as the
  /// worker has to end (process_options::grace when the pool stops). What it throws is written to the
  /// worker's standard error.
  init_function close{};
  /// As thread_hooks::keep_alive; what it throws is written to the worker's standard error.
  init_function keep_alive{};
  /// At least 1 ms.
  duration keep_alive_every = std::chrono::seconds(30);
};

}  // namespace muster
