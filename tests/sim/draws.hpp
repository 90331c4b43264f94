// SPDX-License-Identifier: MIT
#pragma once

// What is drawn for a simulated world: before it begins, which pool and which faults there are; and for each
// task, what it wants. A new option: a line in draws.cpp under a name of its own. The draws of all others
// stay what they are.

#include <algorithm>

#include "fake_crew.hpp"

namespace muster::sim {

struct drawn_world {
  fake_crew::settings crew{};
  engine::settings pool{};
  double throws = 0;  // how often an attempt throws
  duration longest_run{};
  duration ladder{};   // what the signals between grace and SIGKILL take together
  bool ages = false;   // workers are replaced because of their age, so something is always to happen
  bool looks = false;  // at their health, so again
};

drawn_world draw_world(std::uint64_t seed, fate& chance);

// What the user wants for it. `act`: which act of theirs it is.
void draw_task(sim_task& t, std::uint64_t act, time_point now, fate& chance);

// One line: the pool.
std::string text_of(const drawn_world& world);
// What is special about it.
std::string wishes_of(const sim_task& t, time_point now);

inline duration some(base::random& dice, duration most) {
  return duration(static_cast<duration::rep>(dice.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

}  // namespace muster::sim
