// SPDX-License-Identifier: MIT
#pragma once

// Which worker gets the next task. Pure, but for the cursor that round_robin moves.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <muster/options.hpp>

namespace muster::policy {

struct load {
  bool open = false;            // takes a task now
  std::uint32_t in_flight = 0;  // tasks it has
};

// The index of the chosen worker; none when no worker is open.
inline std::optional<std::size_t> choose(strategy how, std::span<const load> workers, std::size_t& cursor) {
  std::optional<std::size_t> best;
  const std::size_t count = workers.size();
  if (how == strategy::round_robin) {
    for (std::size_t step = 0; step < count; ++step) {
      const std::size_t at = (cursor + step) % count;
      if (!workers[at].open) continue;
      cursor = at + 1;
      return at;
    }
    return best;
  }
  for (std::size_t at = 0; at < count; ++at)  // pull and fewest: the emptiest; ties to the lowest slot
    if (workers[at].open && (!best || workers[at].in_flight < workers[*best].in_flight)) best = at;
  return best;
}

}  // namespace muster::policy
