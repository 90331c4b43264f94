// SPDX-License-Identifier: MIT
#pragma once

// Which tasks workers die under too often. Pure: it hears of deaths, and of those blamed on somebody, and
// says whether that one is guilty. Where many workers die at about the same time nobody is, and as that is
// only known a little later, it is to be asked later than that. O(1) a death, but for those blamed on one
// task, which are few. Bounded: beyond `most`, the oldest blame is forgotten.

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/options.hpp>

#include "base/clock.hpp"

namespace muster::policy {

class quarantine {
public:
  static constexpr std::size_t most = 10'000;

  explicit quarantine(const quarantine_options& options) : options_(options) {}

  // `alive`: workers there were, that one included.
  void worker_died(int alive, base::time_point now) {
    while (!deaths_.empty() && base::after(deaths_.front().at, options_.mass_within) <= now)
      deaths_.pop_front();
    deaths_.push_back({now, alive});
    const std::size_t together = deaths_.size();
    if (together < 2 || 2 * together <= static_cast<std::size_t>(deaths_.front().alive)) return;
    if (!masses_.empty() && masses_.back().until >= deaths_.front().at)
      masses_.back().until = now;
    else
      masses_.push_back({deaths_.front().at, now});
  }

  void blame(const std::string& who, base::time_point now) {
    forget_old(now);
    if (blames_.size() >= most) forget_oldest();
    blames_.emplace_back(now, who);
    records_[who].push_back(now);
  }

  // As far as is known; certain once it is `mass_within` after the last blame.
  [[nodiscard]] bool is_guilty(const std::string& who, base::time_point now) {
    forget_old(now);
    const auto found = records_.find(who);
    if (found == records_.end()) return false;
    // A death is blamed on somebody a moment before it is heard of itself.
    const auto counts = [this](base::time_point at) {
      return std::ranges::none_of(masses_, [&](const mass& m) {
        return m.from <= base::after(at, options_.mass_within) && at <= m.until;
      });
    };
    return std::ranges::count_if(found->second, counts) >= options_.deaths;
  }

  void forgive(const std::string& who) { records_.erase(who); }
  [[nodiscard]] std::size_t known() const { return records_.size(); }

private:
  struct death_at {
    base::time_point at;
    int alive;
  };
  struct mass {
    base::time_point from, until;
  };

  void forget_old(base::time_point now) {
    while (!blames_.empty() && base::after(blames_.front().first, options_.window) <= now) forget_oldest();
    while (!masses_.empty() && base::after(masses_.front().until, options_.window) <= now)
      masses_.pop_front();
  }
  void forget_oldest() {
    const auto& [at, who] = blames_.front();
    if (const auto found = records_.find(who); found != records_.end()) {
      std::erase(found->second, at);
      if (found->second.empty()) records_.erase(found);
    }
    blames_.pop_front();
  }

  quarantine_options options_;
  std::deque<death_at> deaths_;  // within mass_within
  std::deque<mass> masses_;      // when many died together
  std::deque<std::pair<base::time_point, std::string>> blames_;
  std::unordered_map<std::string, std::vector<base::time_point>> records_;  // by who
};

}  // namespace muster::policy
