// SPDX-License-Identifier: MIT
// The tables of the two lives. docs/internals/lifecycle.md is printed from them; MUSTER_PRINT=1 writes it
// anew.
#include "engine/lifecycle.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace muster::engine {
namespace {

// A row a state, a column an event; an empty cell cannot happen.
template <class State, class Event>
std::string as_table(std::size_t states, std::size_t events) {
  std::ostringstream out;
  out << "| |";
  for (std::size_t e = 0; e < events; ++e) out << ' ' << name(static_cast<Event>(e)) << " |";
  out << "\n|---|";
  for (std::size_t e = 0; e < events; ++e) out << "---|";
  out << '\n';
  for (std::size_t s = 0; s < states; ++s) {
    out << "| **" << name(static_cast<State>(s)) << "** |";
    for (std::size_t e = 0; e < events; ++e) {
      const auto to = next(static_cast<State>(s), static_cast<Event>(e));
      out << ' ' << (to ? name(*to) : "") << (to ? " |" : "|");
    }
    out << '\n';
  }
  return out.str();
}

// Arrows between different states, those with the same ends as one.
template <class State, class Event>
std::string as_diagram(std::size_t states, std::size_t events, State first) {
  std::ostringstream out;
  out << "```mermaid\nstateDiagram-v2\n  [*] --> " << name(first) << '\n';
  for (std::size_t from = 0; from < states; ++from)
    for (std::size_t to = 0; to < states; ++to) {
      std::string labels;
      for (std::size_t e = 0; e < events; ++e)
        if (from != to && next(static_cast<State>(from), static_cast<Event>(e)) == static_cast<State>(to))
          labels += (labels.empty() ? "" : ", ") + std::string(name(static_cast<Event>(e)));
      if (!labels.empty())
        out << "  " << name(static_cast<State>(from)) << " --> " << name(static_cast<State>(to)) << ": "
            << labels << '\n';
    }
  out << "```\n";
  return out.str();
}

std::string page() {
  return "# The life of a worker and of a task\n\n"
         "Printed from the tables in `src/engine/lifecycle.hpp`; a test compares. After a change there, run\n"
         "`MUSTER_PRINT=1 unit_tests --gtest_filter='lifecycle.*'`, which writes this page anew.\n\n"
         "A row is the state something is in, a column what happens to it, a cell the state it is in then. "
         "An empty cell\n"
         "cannot happen: it ends the program as a broken invariant.\n\n"
         "## Workers\n\n" +
         as_table<worker_state, worker_event>(worker_states, worker_events) +
         "\nA stopping worker may still become ready or rest: the order to end crossed with that news.\n\n" +
         as_diagram<worker_state, worker_event>(worker_states, worker_events, worker_state::starting) +
         "\n## Tasks\n\n" + as_table<task_state, task_event>(task_states, task_events) +
         "\nA running task goes back to the queue when its worker turns out not to have claimed it. A "
         "settled task settles\n"
         "again when a late outcome comes: that is dropped and counted.\n\n" +
         as_diagram<task_state, task_event>(task_states, task_events, task_state::queued);
}

TEST(lifecycle, the_page_in_the_documents_is_what_the_tables_say) {
  const std::string path = std::string(MUSTER_SOURCE_DIR) + "/docs/internals/lifecycle.md";
  if (std::getenv("MUSTER_PRINT") != nullptr) std::ofstream(path) << page();
  std::stringstream written;
  written << std::ifstream(path).rdbuf();
  EXPECT_EQ(written.str(), page()) << "MUSTER_PRINT=1 writes it anew";
}

TEST(lifecycle, a_worker_that_is_dead_can_only_be_replaced) {
  for (std::size_t e = 0; e < worker_events; ++e) {
    const auto event = static_cast<worker_event>(e);
    EXPECT_EQ(next(worker_state::dead, event).has_value(), event == worker_event::replace) << name(event);
  }
}

TEST(lifecycle, every_living_worker_can_be_retired_and_can_end) {
  for (std::size_t s = 0; s < worker_states; ++s) {
    const auto state = static_cast<worker_state>(s);
    if (state == worker_state::dead) continue;
    EXPECT_EQ(next(state, worker_event::retire), worker_state::stopping) << name(state);
    EXPECT_EQ(next(state, worker_event::end), worker_state::dead) << name(state);
    EXPECT_EQ(next(state, worker_event::replace), std::nullopt) << name(state);
  }
}

TEST(lifecycle, nothing_brings_a_stopping_worker_back_to_work) {
  for (std::size_t e = 0; e < worker_events; ++e) {
    const auto to = next(worker_state::stopping, static_cast<worker_event>(e));
    if (to) {
      EXPECT_TRUE(*to == worker_state::stopping || *to == worker_state::dead);
    }
  }
}

TEST(lifecycle, only_an_open_worker_begins) {
  for (std::size_t s = 0; s < worker_states; ++s) {
    const auto state = static_cast<worker_state>(s);
    EXPECT_EQ(next(state, worker_event::begin).has_value(), state == worker_state::idle) << name(state);
  }
}

TEST(lifecycle, every_task_can_settle_and_what_has_settled_stays_so) {
  for (std::size_t s = 0; s < task_states; ++s) {
    EXPECT_EQ(next(static_cast<task_state>(s), task_event::settle), task_state::settled);
  }
  for (std::size_t e = 0; e < task_events; ++e) {
    const auto event = static_cast<task_event>(e);
    EXPECT_EQ(next(task_state::settled, event).has_value(), event == task_event::settle) << name(event);
  }
}

TEST(lifecycle, a_task_that_waits_for_another_attempt_goes_through_the_queue) {
  for (const auto event : {task_event::place, task_event::begin, task_event::take_back, task_event::wait})
    EXPECT_EQ(next(task_state::waiting, event), std::nullopt) << name(event);
  EXPECT_EQ(next(task_state::waiting, task_event::requeue), task_state::queued);
}

TEST(lifecycle, every_state_and_event_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (std::size_t s = 0; s < worker_states; ++s) names.insert(name(static_cast<worker_state>(s)));
  EXPECT_EQ(names.size(), worker_states);
  names.clear();
  for (std::size_t e = 0; e < worker_events; ++e) names.insert(name(static_cast<worker_event>(e)));
  EXPECT_EQ(names.size(), worker_events);
  names.clear();
  for (std::size_t s = 0; s < task_states; ++s) names.insert(name(static_cast<task_state>(s)));
  EXPECT_EQ(names.size(), task_states);
  names.clear();
  for (std::size_t e = 0; e < task_events; ++e) names.insert(name(static_cast<task_event>(e)));
  EXPECT_EQ(names.size(), task_events);
}

TEST(lifecycle_death, a_move_that_cannot_happen_ends_the_program) {
  constexpr detail::task_ops none{};
  detail::task t(none);
  t.set_state(task_state::waiting);
  EXPECT_DEATH(move(t, task_event::place), "broken invariant");
}

}  // namespace
}  // namespace muster::engine
