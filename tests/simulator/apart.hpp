// SPDX-License-Identifier: MIT
#pragma once

// Runs worlds in processes of their own, so that one in which an assertion fails, or which never ends, is a
// finding like any other and the program goes on.

#include <string>
#include <vector>

#include "sim/world.hpp"

namespace muster::sim {

struct outcome {
  std::string broken{};             // empty: all promises held
  std::vector<fate::part> parts{};  // of a world that is written down: what happened
  std::vector<std::string> lines{};
};

// One world, written down.
outcome run_apart(const world::setup& chosen);

struct finding {
  std::uint64_t seed = 0;
  std::string broken{};
};
struct hunt {
  std::uint64_t first = 1, seeds = 300;
  int jobs = 1;
  std::optional<std::chrono::seconds> time{};  // and not longer
  std::size_t most_findings = 5;
  world::setup each{};  // but for the seed
};
struct hunted {
  std::uint64_t worlds = 0;  // that ran
  std::chrono::duration<double> took{};
  coverage met{};
  std::vector<finding> findings{};
};
hunted run_all(const hunt& what);

}  // namespace muster::sim
