// SPDX-License-Identifier: MIT
#pragma once

// What the queue promises about order, keys and the rate of starts, checked where a worker takes a task. It
// keeps its own books from what the world sees: when tasks were submitted, taken and put back. One thread.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "engine/intake.hpp"
#include "sim_task.hpp"

namespace muster::sim {

class queue_rules {
public:
  queue_rules(const queue_options& chosen, base::time_point start) : chosen_(chosen), start_(start) {}

  // It is in the queue.
  void came(const sim_task& t) {
    if (t.priority != 0) mixed_at_ = std::min(mixed_at_, t.submitted_at);
  }
  // A worker has it. `beside`: how many of its key other workers have. Empty, or the broken promise.
  std::string taken(const sim_task& t, const engine::intake& queue, std::size_t beside,
                    base::time_point now) {
    came(t);
    queue.for_each([this](const detail::task& u) { came(static_cast<const sim_task&>(u)); });
    std::string broken;
    queue.for_each([&](const detail::task& u) {
      const auto& waits = static_cast<const sim_task&>(u);
      if (!has_key(waits) && !taken_once_.contains(u.id) && place(t) > place(waits))
        broken = "task " + std::to_string(u.id) + " of priority " + std::to_string(u.priority) +
                 " was overtaken by task " + std::to_string(t.id) + " of priority " +
                 std::to_string(t.priority);
    });
    const bool first = taken_once_.insert(t.id).second;
    if (first && !has_key(t) && std::exchange(last_[t.priority], t.id) > t.id)
      broken = "task " + std::to_string(t.id) + " was overtaken by an equal";
    if (has_key(t)) {
      if (beside + 1 > at_once(t.names().key)) broken = "a key has more tasks than it may at a time";
      if (first && at_once(t.names().key) == 1 && std::exchange(last_of_key_[t.names().key], t.id) > t.id)
        broken = "task " + std::to_string(t.id) + " was overtaken within its key";
    }
    if (chosen_.rate && broken.empty()) broken = started(now);
    return broken;
  }
  // It had not begun, and its token is there again.
  void put_back(base::time_point now) { returned_.push_back(now); }

private:
  static bool has_key(const detail::task& t) { return !t.names().key.empty(); }
  [[nodiscard]] std::size_t at_once(const std::string& key) const {
    for (const auto& [name, rules] : chosen_.keys)
      if (name == key) return rules.at_once.value_or(1);
    return chosen_.each_key.at_once.value_or(1);
  }
  // In milliseconds of the world: smaller goes first.
  [[nodiscard]] std::int64_t place(const sim_task& t) const {
    if (!chosen_.ageing) return -std::int64_t{t.priority};
    const auto since = std::max(t.submitted_at, mixed_at_) - start_;
    return since / std::chrono::milliseconds(1) -
           t.priority * (*chosen_.ageing / std::chrono::milliseconds(1));
  }
  std::string started(base::time_point now) {
    starts_.push_back(now);
    const auto in_a_second = [now](const std::vector<base::time_point>& all) {
      return all.end() - std::ranges::upper_bound(all, now - std::chrono::seconds(1));
    };
    return static_cast<double>(in_a_second(starts_) - in_a_second(returned_)) >
                   chosen_.rate->per_second + chosen_.rate->burst
               ? "more tasks started in a second than the rate allows"
               : "";
  }

  const queue_options chosen_;
  const base::time_point start_;
  base::time_point mixed_at_ = base::never;  // from when on waits count
  std::set<std::uint64_t> taken_once_;
  std::map<int, std::uint64_t> last_;  // by priority: the newest first attempt taken
  std::map<std::string, std::uint64_t> last_of_key_;
  std::vector<base::time_point> starts_, returned_;
};

}  // namespace muster::sim
