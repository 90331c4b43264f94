// SPDX-License-Identifier: MIT
#pragma once

/// What a pool does about failures: retries, restarts, circuit breakers, quarantine, dead letters. Part of
/// options.hpp; docs/guide/failing.md shows them at work.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <typeinfo>
#include <vector>

#include <muster/error.hpp>

namespace muster {

using duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// How much of a pause is drawn, so that many who failed together do not come back together.
enum class jitter : std::uint8_t {
  none,   ///< All of it, always.
  equal,  ///< From [half, all] of it.
  full,   ///< From [0, all] of it.
};

/// Pauses that double: first, 2·first, 4·first … at most max. First is 0 or more, max not below it.
struct backoff_options {
  duration first = 100ms;
  duration max = 30s;
  muster::jitter jitter = muster::jitter::equal;
};

/// A kind of failure: a code of ours, or a type of exception.
///
///     .permanent = {muster::error_code::out_of_memory, muster::error_kind::of<std::invalid_argument>()}
class error_kind {
public:
  /// Every muster::error with this code.
  error_kind(error_code code) : code_(code) {}  // NOLINT(google-explicit-constructor): a code is a kind
  /// Everything that `catch (const E&)` would catch; and a worker_error that says its type was E, which is
  /// how an exception of a type of yours arrives from a worker process (then not what is derived from E).
  template <class E>
  [[nodiscard]] static error_kind of() {
    error_kind kind;
    kind.type_ = &typeid(E);
    kind.catches_ = [](const std::exception_ptr& error) {
      try {
        std::rethrow_exception(error);
      } catch (const E&) {
        return true;
      } catch (...) {
        return false;
      }
    };
    return kind;
  }
  /// Whether this exception is of the kind. False for none.
  [[nodiscard]] bool matches(const std::exception_ptr& error) const;

private:
  error_kind() = default;
  std::optional<error_code> code_{};
  const std::type_info* type_ = nullptr;
  bool (*catches_)(const std::exception_ptr&) = nullptr;
};

/// Whether a task that failed is run again. It then runs at least once and at most `attempts` times, never
/// twice at a time. Between two attempts it waits without occupying a worker, then goes before its equals in
/// the queue.
struct retry_options {
  /// Runs in all, the first included. Range 1..1000. 1 means never again.
  int attempts = 1;
  backoff_options backoff{};
  bool on_crash = true;   ///< Again after its worker died (processes only).
  bool on_error = false;  ///< Again after it threw.
  /// Again after its run timeout. The attempt is told to stop and ended as always (see task_options::
  /// run_timeout), and the next begins only when it is over; meanwhile the future stays open, and a value
  /// that the attempt still returns is the result. A thread that has not returned after the pool's `grace`
  /// cannot be ended, so then the task fails as task_timeout all the same.
  bool on_timeout = false;
  /// Asked whether to run again after this exception; where it is set, what the task threw needs no
  /// `on_error`, while crashes and timeouts are asked about only where `on_crash` and `on_timeout` say so. It
  /// runs on the pool's callback executor and under no lock, so it may be slow: the task waits for it, and
  /// may be cancelled or pass its deadline meanwhile. When it throws, the task fails with its own error, and
  /// what was thrown is reported on standard error. Not asked about the last attempt.
  std::function<bool(std::exception_ptr)> when{};
  /// After these never again, whatever is said above.
  std::vector<error_kind> permanent{};
};

/// How worker processes that died are replaced.
struct restart_options {
  /// The pauses before a worker that could not be started, or died before its first task, is tried again. One
  /// that died under a task is replaced at once.
  duration first = 100ms;
  duration max = 30s;
  muster::jitter jitter = muster::jitter::equal;
  /// So many deaths within `window` are made good in each slot; at the next one the slot is failed
  /// (event_kind::worker_failed): it stays empty for `cool_down`, and the pool is degraded meanwhile. Then it
  /// is tried again, so no slot is lost for good. Where all are failed, tasks wait in the queue by its
  /// options and settle by their own timeouts. Workers that we ended (for a timeout, a cancelled task, or
  /// because the pool shrinks) do not count. Range 1..1000; std::nullopt: replaced however often they die,
  /// which suits tasks that are expected to crash.
  std::optional<int> limit{};
  duration window = 60s;     ///< Above 0.
  duration cool_down = 60s;  ///< Above 0.

  [[nodiscard]] backoff_options backoff() const { return {.first = first, .max = max, .jitter = jitter}; }
};

/// When a pool refuses tasks at once because those before them failed: see circuit_open. The breaker is
/// closed at first. It opens after too many failures and refuses all for `open_for`; then it is half open and
/// admits `probes` tasks, and no more: when all of them have succeeded it closes, when one fails it is open
/// again. A probe that ends otherwise (cancelled, refused by a full queue, never run) gives its place to the
/// next. Where a probe has not ended after another `open_for`, others are admitted.
///
/// What counts is how a task settles, so attempts that are retried do not. Cancelled tasks, and those that
/// never began, say nothing.
struct breaker_options {
  /// Open after so many failures in a row. Range 1..1'000'000; std::nullopt: however many.
  std::optional<int> failures = 5;
  /// Open when at least this part of the calls within `window` failed, of at least `least_calls`. Above 0, at
  /// most 1; std::nullopt: whatever the rate. At least one of the two is needed.
  std::optional<double> failure_rate{};
  duration window = 60s;  ///< Above 0; it moves on in tenths.
  int least_calls = 20;   ///< Range 1..1'000'000.
  /// A call whose last attempt took longer counts as failed, whatever came of it. Above 0.
  std::optional<duration> slow{};
  duration open_for = 60s;  ///< Above 0.
  int probes = 1;           ///< Range 1..1'000.
  bool on_crash = true;     ///< The death of its worker is a failure.
  bool on_timeout = true;   ///< A run timeout or deadline is.
  bool on_error = true;     ///< An exception that the task threw is.
};

/// When a task under which worker processes die is set aside, so that it kills no more of them.
///
/// Tasks are known by task_options::id, so that one of the same id that is submitted later is known again;
/// without it each task is known for itself, and deaths count over its retries. A function is never set
/// aside, for it may be the arguments that kill.
///
/// A death is blamed on the task that the worker had begun, if it was the only one and nobody else had a
/// hand in it: not where the pool itself ended the worker, a signal came from another process, or nobody saw
/// how it ended. Nor where more than half of the workers, and at least two, died within `mass_within` of each
/// other: then something else is wrong. To know that, a task under which a worker died waits for that long at
/// least before it is run again or set aside.
///
/// A task with a `retry` of its own is run as often as that says, and is neither set aside nor refused.
struct quarantine_options {
  /// Set aside at so many deaths. Range 1..1000.
  int deaths = 3;
  /// Deaths longer ago are forgotten. Above 0.
  duration window = 600s;
  /// So long tasks of the same id are refused (quarantined) after that. Above 0.
  duration stay = 3600s;
  /// Range 1 ms..60 s.
  duration mass_within = 100ms;
};

/// A task that failed for good and is kept: see pool_base::dead_letters.
struct dead_letter {
  enum class reason : std::uint8_t {
    failed,       ///< It failed, and no further attempt was allowed.
    quarantined,  ///< Too many workers died under it: see quarantine_options.
  };
  std::uint64_t task = 0;  ///< Its number, by which resubmit and discard know it.
  std::string id{};        ///< task_options::id.
  std::string label{};     ///< task_options::label.
  reason why{};
  int attempts = 0;
  std::string text{};                            ///< What the error says.
  std::exception_ptr error{};                    ///< The error itself.
  std::chrono::steady_clock::time_point time{};  ///< When it failed.
  /// False: it cannot run again, because arguments can only be moved or were descriptors, it is a stream, or
  /// a thread still runs it.
  bool can_resubmit = true;
};

}  // namespace muster
