// SPDX-License-Identifier: MIT
#pragma once

/// Which worker gets the next task: strategies, what can be said about them, and a chooser of your own.
///
///     .strategy = muster::strategy::weighted, .choose = {.weights = {5, 1, 1}}
///
/// On a process pool a strategy hands tasks to workers that may be busy, and they wait there for their turn.
/// On a thread pool it chooses among the workers that have nothing to do; while there is none, tasks wait in
/// the queue for whoever is free first. docs/guide/pools.md says which strategy is for what.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace muster {

/// Who gets the next task when several workers could take it.
enum class strategy : std::uint8_t {
  pull,         ///< A worker takes the next task when it is free: the best choice unless you need another.
  fewest,       ///< Handed to the worker with the fewest tasks; ties go to the lowest slot.
  round_robin,  ///< Handed to each worker in turn; what would wait behind a slow task goes to a free worker.
  fewest_served,  ///< Handed to the worker that was handed the fewest so far; a new worker begins at the
                  ///< fewest that any other has.
  weighted,       ///< In turn, by choose_options::weights, smoothly mixed: 5, 1, 1 gives a a b a c a a.
  fill,    ///< Handed to the lowest slot that has fewer than choose_options::full, then to the next; when
           ///< all are full, to the one with the fewest.
  random,  ///< Handed to any, each as likely as the others.
  two_choices,  ///< Handed to the one with fewer tasks of two that are drawn.
  key,          ///< Tasks with one task_options::key go to one worker (see affinity), others as by `fewest`.
};

/// The strategy of this name: strategy_named("fewest"). Throws invalid_options, which lists those there are.
strategy strategy_named(std::string_view name);
/// "round_robin" and so on; empty for a value that is none.
std::string_view name(strategy how) noexcept;

/// How firmly strategy::key binds a key to its worker. The worker is drawn from the key by rendezvous
/// hashing: when workers come or go, only the keys of those change theirs.
enum class affinity : std::uint8_t {
  soft,  ///< The key's worker, unless it has more than 1.25 times the mean number of tasks: then the next in
         ///< the key's order. A free worker takes what waits behind a slow task.
  hard,  ///< Always the key's worker, also when it is busy and others are not: the task waits for it. Where
         ///< it dies, its keys wait for its replacement; where it is not well or leaves for good, they move
         ///< on. On a thread pool at most 64 tasks wait at one worker, on a process pool 256: then they, and
         ///< what was submitted behind them, wait in the queue. A task that waits for another of its pool may
         ///< run that one itself.
};

/// A worker that could take the next task, as a chooser sees it.
struct candidate {
  unsigned slot = 0;
  std::size_t in_flight = 0;  ///< Tasks it has. On a thread pool always 0: candidates have nothing to do.
  std::size_t served = 0;     ///< Tasks that it is done with.
  bool idle = false;          ///< It has none.
};

/// Chooses a worker for the next task: an index into the candidates, of which there is at least one, or
/// std::nullopt to let the task wait until a worker becomes free or another task is submitted.
///
/// Called on threads that submit and on threads of the pool, never by two at a time, and never under a lock
/// of ours; it may call the pool, but must not wait for one of its tasks. Every task passes it, so it should
/// take no longer than a task. What it saw may be out of date when it answers: where the chosen worker cannot
/// take the task any more, it is asked again. When it throws, or answers with an index there is not, that is
/// told once (event_kind::chooser_failed), and from then on the pool goes on with strategy::pull.
using chooser = std::function<std::optional<std::size_t>(std::span<const candidate>)>;

/// What goes with a strategy.
struct choose_options {
  /// For strategy::weighted, by slot: weights[2] is the weight of slot 2. Slots beyond have weight 1; weight
  /// 0 is never given a task. Range 0..1'000'000 each; no more of them than workers.max, and not all of those
  /// 0.
  std::vector<int> weights{};
  /// For strategy::fill: a worker with so many tasks is full. Range 1..1'000'000.
  std::size_t full = 10;
  /// For strategy::key.
  muster::affinity affinity = muster::affinity::soft;
  /// Your own, instead of a strategy (which then stays strategy::pull).
  muster::chooser chooser{};
};

}  // namespace muster
