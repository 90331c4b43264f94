// SPDX-License-Identifier: MIT
#pragma once

// Bugs that the simulation's own tests plant, each in what stands around the engine (its crew, what the world
// tells it), so that the engine as a whole breaks a promise. The simulation must find each of them and cut
// the world in which it did down to a short one. A simulation that finds nothing in a broken engine proves
// nothing about a sound one.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace muster::sim {

enum class plant : std::uint8_t {
  nothing,
  a_retry_too_many,
  a_worker_never_replaced,
  a_double_settle,
  a_lost_task,
  a_queue_over_its_bound,
  a_start_after_cancel,
  a_worker_too_many,
  a_slot_that_never_rests,
  a_call_too_many_on_trial,
};

struct planted_bug {
  plant which;
  std::string_view name, what;
};

inline constexpr std::array planted_bugs{
    planted_bug{plant::a_retry_too_many, "retry_too_many", "attempts that a crash ended are not counted"},
    planted_bug{plant::a_worker_never_replaced, "worker_never_replaced",
                "the death of a worker that was up is not heard of"},
    planted_bug{plant::a_double_settle, "double_settle", "a task that has settled takes its late answer too"},
    planted_bug{plant::a_lost_task, "lost_task", "of the tasks that go back from a worker, one is forgotten"},
    planted_bug{plant::a_queue_over_its_bound, "queue_over_its_bound", "the queue takes one task too many"},
    planted_bug{plant::a_start_after_cancel, "start_after_cancel",
                "a task that was taken back from a worker begins there all the same"},
    planted_bug{plant::a_worker_too_many, "worker_too_many", "the pool grows by one worker too many"},
    planted_bug{plant::a_slot_that_never_rests, "slot_that_never_rests",
                "one worker more may die in a slot than restart.limit says"},
    planted_bug{plant::a_call_too_many_on_trial, "call_too_many_on_trial",
                "a breaker lets one call more through than its probes"},
};

inline std::optional<plant> plant_named(std::string_view name) {
  for (const planted_bug& bug : planted_bugs)
    if (bug.name == name) return bug.which;
  return std::nullopt;
}

}  // namespace muster::sim
