// SPDX-License-Identifier: MIT
#pragma once

/// When a pool takes on workers between workers.min and workers.max, and when it lets them go.
///
/// With nothing said here it grows at once while tasks wait and no worker is free, by one worker for each
/// task that waits, and lets a worker go that had nothing to do for workers.idle_timeout. Each change is
/// event_kind::scaled, with how many there were and are wanted, and why. docs/internals/scaling.md has the
/// rules in full, and how often a pool can change its mind at most.

#include <chrono>
#include <optional>

namespace muster {

struct scaling_options {
  /// Grow only while more tasks wait than so many for each worker; then until there are no more than that.
  /// Above 0. A pool that has no worker takes one on for the first task. std::nullopt: while any task waits.
  std::optional<double> queue_per_worker{};
  /// Grow only when the task that is next has waited for so long; beside queue_per_worker: also then. Seen
  /// after at most twice this time. Above 0. std::nullopt: tasks need not have waited.
  std::optional<std::chrono::nanoseconds> waiting_time{};
  /// Also grow, before a task waits, when more than this part of the workers is busy, twice `check_every`
  /// apart; then until it is no more than this part. Above 0, below 1. Usual: 0.8.
  std::optional<double> up_at{};
  /// Let idle workers go when less than this part of all was busy, at every look (`check_every`) for as long
  /// as workers.idle_timeout, and not otherwise: how long each of them was idle no longer matters. As many go
  /// as leave the part between this and up_at. Above 0, below 1 and below up_at. Usual: 0.2. std::nullopt: a
  /// worker goes that was idle for idle_timeout, while up_at would not have it back.
  std::optional<double> down_at{};
  /// From growing to shrinking and from shrinking to growing at least so long. A pool that has no worker
  /// takes one on all the same. 0 or more.
  std::chrono::nanoseconds cool_down{0};
  /// A worker is not let go before it was ready for so long. 0 or more.
  std::chrono::nanoseconds least_life{0};
  /// Workers that start are limited to so many a second, on average; up to a second's worth, and at least
  /// one, may start together. Those of workers.min when the pool starts are not counted, nor are replacements
  /// by recycling. Range 0.001..1e6.
  std::optional<double> starts_per_second{};
  /// From one look at how busy the workers are to the next, where up_at or down_at wants to know. A pool at
  /// its minimum with nothing to do is not looked at. Range 1 ms..1 h.
  std::chrono::nanoseconds check_every = std::chrono::seconds(1);
};

}  // namespace muster
