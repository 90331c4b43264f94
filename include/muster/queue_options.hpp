// SPDX-License-Identifier: MIT
#pragma once

/// How tasks wait for a worker: in which order, how many of them, how fast they may start, and what happens
/// to a submit that finds no room.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

using duration = std::chrono::nanoseconds;

/// How urgent a task is: any integer, higher first; or one of four names. Among equals, first come, first
/// served. See queue_options::ageing for what waiting adds.
struct priority {
  int value = 0;
  constexpr priority(int level = 0) : value(level) {}  // NOLINT(google-explicit-constructor): 7 is a priority
  static const priority critical;
  static const priority high;
  static const priority normal;
  static const priority low;
  friend constexpr auto operator<=>(priority, priority) = default;
};
inline constexpr priority priority::critical{1'000};
inline constexpr priority priority::high{100};
inline constexpr priority priority::normal{0};
inline constexpr priority priority::low{-100};

/// The priority of this name: critical, high, normal or low. Throws invalid_options, which lists them, for
/// another.
priority priority_named(std::string_view name);

/// What a submit does when there is no room (queue_options::capacity, bytes, unsettled).
enum class when_full : std::uint8_t {
  wait,         ///< It blocks until there is room; waiting submitters are served in order. See
                ///< queue_options::patience. A request on the task's stop token ends the wait: submit throws
                ///< cancelled.
  reject,       ///< It throws queue_full at once.
  caller_runs,  ///< The submitting thread runs the task itself, now. Thread pools only (invalid_options
                ///< elsewhere), and not with queue_options::unsettled.
  drop_oldest,  ///< The task is accepted, and what waits makes room: the oldest task of the lowest priority
                ///< settles as queue_full, with event_kind::task_dropped. Where all that wait are more urgent
                ///< than the new one, it is the new one. Not with capacity 0 or queue_options::unsettled:
                ///< what runs cannot make room.
  drop_newest,  ///< The task is accepted and settles at once as queue_full, with event_kind::task_dropped:
                ///< its future throws, not submit.
};

/// No more starts than so many a second: a bucket of tokens, of which each start takes one.
struct rate_options {
  /// Range 0.001..1e9, to the thousandth.
  double per_second = 1;
  /// So many tokens are kept while nothing starts, and may then start at once: in any second there are at
  /// most per_second + burst starts, and one more for each task that its worker gave back in that second
  /// because it died or was ended before it had begun it. Range 1..1'000'000. With 1 starts are evenly
  /// spaced.
  std::uint32_t burst = 1;
};

/// What holds for the tasks of one key (task_options::key).
struct key_options {
  /// So many of them at a time. Range 1..1'000'000. 1: strictly one after the other, in the order they were
  /// submitted, whatever their priorities; the next begins when the one before has settled and its worker is
  /// done with it. A task that waits for another attempt keeps its turn. std::nullopt: 1, but in a pool with
  /// strategy::key, where keys choose workers, any number.
  std::optional<std::uint32_t> at_once{};
  /// No more starts than this. std::nullopt: no limit.
  std::optional<rate_options> rate{};
};

/// The tasks that wait for a worker.
struct queue_options {
  /// `.capacity = queue_options::automatic`: twice workers.max.
  static constexpr std::size_t automatic = std::numeric_limits<std::size_t>::max();

  /// At most so many tasks wait. Range 0..2^31, `automatic`, or std::nullopt: unlimited.
  ///
  /// 0 is a meeting: submit returns when a worker takes the task, so a submitter is never ahead of the
  /// workers. Submitters that wait are served by priority, then in order; their tasks count as queued
  /// meanwhile. What does not wait (reject and the like) needs a free worker and nobody before it.
  std::optional<std::size_t> capacity = 1'024;
  muster::when_full when_full = muster::when_full::wait;
  /// With when_full::wait: throw enqueue_timeout after so long. std::nullopt waits for ever.
  std::optional<duration> patience{};
  /// At most so many bytes wait: on a process pool the encoded arguments, on both what task_options::bytes
  /// says. A task that is larger than all of this by itself is refused as queue_full, whatever `when_full`
  /// says. At least
  /// 1. std::nullopt: no limit.
  std::optional<std::size_t> bytes{};
  /// At most so many tasks are accepted and not settled: those that wait, run, or are to be tried again.
  /// Range 1..2^31. With when_full::wait, reject or drop_newest. std::nullopt: no limit but `capacity`.
  std::optional<std::size_t> unsettled{};
  /// A task that waits gains one point of priority every so long, so that none waits for ever behind later
  /// ones: it is overtaken by tasks that were submitted within (difference of the priorities) × ageing after
  /// it, and by no others. With the default a `low` task lets `normal` ones pass for 100 s, and a task of
  /// priority 5 those of priority 10 for 5 s. Range 1 ms..24 h, in whole milliseconds. std::nullopt:
  /// priorities are strict, and a low one may wait for ever.
  ///
  /// Until a pool meets the first task with another priority than normal nobody looks at a clock; what is
  /// queued then counts its wait from that moment.
  std::optional<duration> ageing = std::chrono::seconds(1);
  /// No more starts than this in the whole pool, further attempts included. Tasks wait in the queue
  /// meanwhile: neither a worker nor a submitter waits for a token. A worker then has one task at a time.
  /// std::nullopt: no limit.
  std::optional<rate_options> rate{};
  /// What holds for each key.
  key_options each_key{};
  /// Keys with rules of their own: {{"db", {.at_once = 4}}}.
  std::vector<std::pair<std::string, key_options>> keys{};
  /// Refuse a task that cannot be done by its task_options::deadline, as would_be_late. Judged by how many
  /// tasks of at least its priority wait, workers.max, `rate`, and a moving average of how long tasks ran;
  /// nothing is refused while nothing waits, or before 8 tasks have run.
  bool refuse_hopeless = false;
};

}  // namespace muster
