// SPDX-License-Identifier: MIT
#pragma once

// The life of a worker and of a task, as total tables: every state meets every event, and a cell that cannot
// happen says so. Pure. docs/internals/lifecycle.md is printed from these tables (a test compares).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "base/assert.hpp"

namespace muster::engine {

using detail::task_state;

enum class worker_event : std::uint8_t {
  ready,    // it takes tasks
  begin,    // it got a task and had none
  rest,     // it has none left
  retire,   // it was told to end, after what it has
  doubt,    // it does not answer
  trust,    // it answers again
  end,      // it is gone
  replace,  // another generation is started in its slot
};

enum class task_event : std::uint8_t {
  place,      // handed to a worker that has not begun it
  begin,      // its worker claimed it
  take_back,  // back to the queue: it never began
  wait,       // its attempt failed; another follows later
  requeue,    // its wait is over
  settle,     // value, exception or error
};

inline constexpr std::size_t worker_states = 6, worker_events = 8, task_states = 5, task_events = 6;
template <class State>
using cell = std::optional<State>;  // none: cannot happen

namespace table {
using enum worker_state;
using enum task_state;
inline constexpr cell<worker_state> no{};
inline constexpr cell<task_state> nil{};

inline constexpr std::array<std::array<cell<worker_state>, worker_events>, worker_states> worker = {{
    //             ready  begin  rest   retire    doubt      trust  end   replace
    /* starting */ {{idle, no, no, stopping, unhealthy, no, dead, no}},
    /* idle     */ {{no, busy, no, stopping, unhealthy, no, dead, no}},
    /* busy     */ {{no, no, idle, stopping, unhealthy, no, dead, no}},
    /* stopping */ {{stopping, no, stopping, stopping, stopping, stopping, dead, no}},
    /* unhealthy*/ {{idle, no, unhealthy, stopping, unhealthy, busy, dead, no}},
    /* dead     */ {{no, no, no, no, no, no, no, starting}},
}};

inline constexpr std::array<std::array<cell<task_state>, task_events>, task_states> task = {{
    //            place   begin    take_back wait     requeue  settle
    /* queued  */ {{placed, running, nil, nil, nil, settled}},
    /* placed  */ {{nil, running, queued, waiting, nil, settled}},
    /* running */ {{nil, running, queued, waiting, nil, settled}},
    /* waiting */ {{nil, nil, nil, nil, queued, settled}},
    /* settled */ {{nil, nil, nil, nil, nil, settled}},
}};
}  // namespace table

// Notes on the cells that surprise: a stopping worker may still become ready or rest, because the order to
// end crossed with that news. A placed task may fail without having been seen to run: the worker's claim is
// only looked at when it matters. A running task goes back to the queue when its worker turns out not to have
// claimed it. A settled task settles again when a late outcome comes: it is dropped and counted.

constexpr cell<worker_state> next(worker_state from, worker_event event) {
  return table::worker[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}
constexpr cell<task_state> next(task_state from, task_event event) {
  return table::task[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}

std::string_view name(worker_state state);
std::string_view name(worker_event event);
std::string_view name(task_state state);
std::string_view name(task_event event);

// Moves a task along its table; a move that cannot happen is a broken invariant and aborts.
inline void move(detail::task& t, task_event event) {
  const auto to = next(t.state(), event);
  MUSTER_ASSERT(to.has_value());
  t.set_state(*to);
}

}  // namespace muster::engine
