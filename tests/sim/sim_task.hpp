// SPDX-License-Identifier: MIT
#pragma once

// A task of the simulation: it takes the time that its script says.

#include <muster/context.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"

namespace muster::sim {

// What a task does when it is run.
struct script {
  duration takes{};
  bool throws = false;
  bool kills = false;  // its worker, at the end of that time
};

struct sim_task : detail::value_task<int> {
  sim_task() : value_task(operations) {}
  base::time_point submitted_at{};
  script plays{};
  std::uint64_t number = 0;  // which of the users' acts it came from
  int most_attempts = 0;     // 0: nobody counts
  int begun = 0;             // attempts that began
  int settled_times = 0;     // seen by its continuation
  bool cancel_asked = false;
  bool may_begin = true;  // false once it settled
  static detail::ran run(task& t, context&, bool, std::exception_ptr& error);
  static const detail::task_ops operations;
};

}  // namespace muster::sim
