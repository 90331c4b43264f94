// SPDX-License-Identifier: MIT
#pragma once

// Cuts a failing world short: runs it again and again with parts left out, and keeps what still fails in the
// same way. By delta debugging (Zeller and Hildebrandt 2002): first large pieces, then smaller ones.

#include "apart.hpp"

namespace muster::sim {

struct shrunk {
  std::size_t parts_before = 0, parts_after = 0, worlds = 0;
  outcome last{};  // the short one
};

// None: the world does not fail. It goes on until nothing more can be left out, or until so many lines are
// left.
std::optional<shrunk> shrink(const world::setup& failing, std::size_t short_enough = 0);

}  // namespace muster::sim
