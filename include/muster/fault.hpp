// SPDX-License-Identifier: MIT
#pragma once

/// Faults on purpose, for the tests of programs that use muster: a worker process that ends, hangs, is slow
/// or says nothing at a step that you name.
///
///     // The first worker dies when it has claimed its first call; its successor is well.
///     muster::process_pool pool({.workers = {1}, .faults = {{.at = muster::fault_step::claimed}}});
///
/// muster's own tests use nothing else. A pool without faults pays one look at a flag for each step.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace muster {

/// The steps in the life of a worker process, in their order; from `looking` to `rung` once for each call.
enum class fault_step : std::uint8_t {
  born,            ///< The process exists, and nothing else was done.
  set_up,          ///< It has its limits, descriptors and environment.
  before_init,     ///< The user's init function is about to run, where there is one.
  after_init,      ///< It has run.
  telling_ready,   ///< It is about to say that it is ready. `drop`: it never says so.
  told_ready,      ///< It has said so.
  falling_asleep,  ///< It has no call, and is about to sleep.
  woken,           ///< It slept, and does so no more.
  looking,         ///< It is about to look for a call.
  claimed,         ///< It has claimed a call: from now on the call counts as begun.
  calling,         ///< The call's arguments have arrived, and its function is about to run.
  returned,        ///< The function has returned or thrown.
  answering,       ///< The answer is about to be written. `drop`: the call is never answered.
  sending_parcel,  ///< The answer is large, and about to be sent as a file. `drop`: it is not sent.
  written,         ///< The answer is written, and about to be shown.
  answered,        ///< The owner can see the answer, and is about to be woken. `drop`: it is not woken.
  rung,            ///< The owner is awake.
  leaving,         ///< The worker was told to end, and has stopped taking calls.
};
inline constexpr std::size_t fault_steps = 18;

enum class fault_action : std::uint8_t {
  raise,           ///< It sends itself the signal `number`. SIGSTOP stops it.
  exit,            ///< It ends with the exit code `number`.
  exhaust_memory,  ///< It takes all the memory that it may have. Only with limits.memory.
  delay,           ///< It sleeps for `pause`.
  hang,            ///< It sleeps for ever.
  drop,            ///< It leaves out what it was about to send. Only at the steps that say so.
};

/// What goes wrong, where, and how often.
struct fault {
  fault_step at = fault_step::claimed;
  fault_action action = fault_action::raise;
  /// The signal, 1..64, or the exit code, 0..255.
  int number = 9;
  /// For `delay`. Above 0.
  std::chrono::nanoseconds pause{};
  /// At the so-manieth time that a worker comes there. 0: each time.
  std::uint32_t nth = 1;
  /// Only in the worker of this slot. std::nullopt: in any.
  std::optional<unsigned> slot{};
  /// Only in the first so many workers of a slot, so that their successors are well. std::nullopt: in all.
  std::optional<unsigned> generations = 1;
};

/// "told_ready". Empty for a value that is none.
[[nodiscard]] std::string_view name(fault_step step);
/// "exhaust_memory". Empty for a value that is none.
[[nodiscard]] std::string_view name(fault_action action);
/// Whether the action `drop` makes sense there.
[[nodiscard]] bool can_drop(fault_step step);

}  // namespace muster
