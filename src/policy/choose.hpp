// SPDX-License-Identifier: MIT
#pragma once

// Which worker gets the next task. Each strategy is one function: it sees the workers and what the strategies
// remember, and answers with an index, or with none where no worker may have the task, which then waits. Pure
// but for that memory. Not thread-safe: a crew asks under its lock.
//
// A new strategy: an enumerator in choose_options.hpp, its function and its line in the table in choose.cpp,
// a test in tests/unit/policy/choose_test.cpp.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <muster/choose_options.hpp>

#include "base/random.hpp"

namespace muster::policy {

// A worker, by its slot.
struct load {
  bool open = false;             // takes a task now
  std::uint32_t in_flight = 0;   // tasks it has
  bool stays = false;            // takes tasks, now or later; one that is open does anyway
  std::uint32_t generation = 0;  // another worker in the same slot has another
};

// What strategies are told once, and what they remember from one choice to the next.
class chooser_memory {
public:
  chooser_memory(strategy how, const choose_options& chosen, std::uint64_t seed);

  [[nodiscard]] std::int64_t weight(std::size_t slot) const {
    return how == strategy::weighted && slot < weights.size() ? weights[slot] : 1;
  }
  // Strategies by which a worker that is free may not take what it finds.
  [[nodiscard]] bool binds() const { return is_hard() || how == strategy::weighted; }
  [[nodiscard]] bool is_hard() const { return how == strategy::key && hard; }
  // Whether a task may be moved to this worker because it has nothing to do.
  [[nodiscard]] bool may_steal(std::size_t slot) const { return !is_hard() && weight(slot) > 0; }
  // Strategies by which a task may go to a busy worker while another has nothing to do.
  [[nodiscard]] bool may_prefer_busy() const { return how != strategy::pull && how != strategy::fewest; }

  strategy how;
  std::vector<int> weights;
  std::uint32_t full;
  bool hard;
  std::uint64_t key = 0;  // of the task at hand, see key_of; 0: none
  std::size_t cursor = 0;
  base::random dice;
  struct track {
    std::uint32_t generation = 0;
    bool known = false;
    std::uint64_t handed = 0;  // tasks
    std::int64_t credit = 0;
  };
  std::vector<track> tracks{};  // by slot
};

// The index of the chosen worker; none where no worker may have the task.
std::optional<std::size_t> choose(std::span<const load> workers, chooser_memory& memory);

// A number for a key, never 0 unless it is empty.
std::uint64_t key_of(std::string_view key);

// Each strategy with its name and its function.
struct named_strategy {
  strategy how;
  std::string_view name;
  std::optional<std::size_t> (*choose)(std::span<const load> workers, chooser_memory& memory);
};
std::span<const named_strategy> strategies();

}  // namespace muster::policy
